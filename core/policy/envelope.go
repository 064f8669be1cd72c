package policy

import (
	"maps"
	"slices"
)

// scalar is the shape of a value without members.
func scalar(ks kinds) view { return view{{kinds: ks}} }

// object is the shape of an object with exactly these members.
func object(props map[string]view) view { return view{{kinds: kindObject, props: props}} }

// list is the shape of an array of elements of this shape.
func list(items view) view { return view{{kinds: kindArray, items: items}} }

// eventShape is what every event has, whatever its source. The containers are always there; the
// detail is the source's own and open.
func eventShape() view {
	text := scalar(kindString)
	return object(map[string]view{
		"id": text, "time": text, "source": text, "type": text, "action": text, "outcome": text,
		"accountId": text, "region": text,
		"error":  object(map[string]view{"code": text, "message": text}),
		"actor":  object(map[string]view{"type": text, "id": text, "name": text, "accountId": text, "sessionId": text}),
		"origin": object(map[string]view{"address": text, "userAgent": text}),
		"targets": list(object(map[string]view{
			"resourceType": text, "resourceId": text, "name": text, "accountId": text, "region": text,
		})),
		"detail": view{anything},
	})
}

// itemShape is what every item has, with what the collector's schema says of its type laid over it.
// Without a schema the configuration is open, and the names around it are still checked.
func itemShape(schema view) view {
	text := scalar(kindString)
	props := map[string]view{
		"accountId": text, "region": text, "resourceType": text, "resourceId": text,
		"resourceName": scalar(kindString | kindNull), "arn": scalar(kindString | kindNull),
		"availabilityZone":             scalar(kindString | kindNull),
		"configurationItemCaptureTime": text, "configurationItemDeliveryTime": text,
		"configurationItemMD5Hash": text, "configurationItemStatus": text,
		"configurationItemVersion": view{anything}, "version": view{anything},
		"configurationStateId": view{anything}, "configurationStateMd5Hash": text,
		"recordingFrequency": text, "resourceCreationTime": scalar(kindString | kindNull),
		"tags":          {{kinds: kindObject, extra: text}},
		"relatedEvents": list(text),
		"relationships": list(object(map[string]view{
			"resourceType": text, "resourceId": text, "resourceName": text, "name": text, "relationshipName": text,
		})),
		"configuration":              view{anything},
		"supplementaryConfiguration": view{anything},
	}
	open := false
	for _, s := range schema.flatten() {
		if len(schema) == 0 || s == anything {
			break
		}
		for _, name := range slices.Sorted(maps.Keys(s.props)) {
			if v := s.props[name]; !v.isAny() {
				props[name] = v
			} else if _, known := props[name]; !known {
				props[name] = v
			}
		}
		open = open || s.open && len(s.props) > 0
	}
	return view{{kinds: kindObject, props: props, open: open}}
}

// shapeInput works out the shapes of a policy's input.
func (b *builder) shapeInput(c *candidate) {
	if c.failed {
		return
	}
	types := c.policy.ResourceTypes
	if c.policy.Kind == KindAlarm {
		types = []string{""}
	}
	for _, t := range types {
		c.inputs = append(c.inputs, b.inputShape(c, t))
	}
	c.lowered = lowered(c.inputs, usedNames(c))
}

// inputShape is what a policy finds under input, for one of its resource types.
func (b *builder) inputShape(c *candidate, resourceType string) view {
	params := view{anything}
	if c.params != nil {
		params = shapeOf(any(c.params.doc))
	}
	if c.policy.Kind == KindAlarm {
		return object(map[string]view{"event": eventShape(), "parameters": params})
	}
	item := itemShape(b.shapes[resourceType])
	return object(map[string]view{
		"resource": item, "parameters": params,
		"previous": append(slices.Clone(item), &shape{kinds: kindNull}),
	})
}
