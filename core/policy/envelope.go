package policy

import (
	"github.com/regent-dev/regent/core/policy/internal/shape"
)

// eventShape is what every event has, whatever its source. The containers are always there; the
// detail is the source's own and open.
func eventShape() shape.View {
	text := shape.Scalar(shape.String)
	return shape.Obj(map[string]shape.View{
		"id": text, "time": text, "source": text, "type": text, "action": text, "outcome": text,
		"accountId": text, "region": text,
		"error":  shape.Obj(map[string]shape.View{"code": text, "message": text}),
		"actor":  shape.Obj(map[string]shape.View{"type": text, "id": text, "name": text, "accountId": text, "sessionId": text}),
		"origin": shape.Obj(map[string]shape.View{"address": text, "userAgent": text}),
		"targets": shape.List(shape.Obj(map[string]shape.View{
			"resourceType": text, "resourceId": text, "name": text, "accountId": text, "region": text,
		})),
		"detail": shape.Any(),
	})
}

// itemShape is what every item has, with what the collector's schema says of its type laid over it.
// Without a schema the configuration is open, and the names around it are still checked.
func itemShape(schema shape.View) shape.View {
	text := shape.Scalar(shape.String)
	props := map[string]shape.View{
		"accountId": text, "region": text, "resourceType": text, "resourceId": text,
		"resourceName": shape.Scalar(shape.String | shape.Null), "arn": shape.Scalar(shape.String | shape.Null),
		"availabilityZone":             shape.Scalar(shape.String | shape.Null),
		"configurationItemCaptureTime": text, "configurationItemDeliveryTime": text,
		"configurationItemMD5Hash": text, "configurationItemStatus": text,
		"configurationItemVersion": shape.Any(), "version": shape.Any(),
		"configurationStateId": shape.Any(), "configurationStateMd5Hash": text,
		"recordingFrequency": text, "resourceCreationTime": shape.Scalar(shape.String | shape.Null),
		"tags":          shape.Map(text),
		"relatedEvents": shape.List(text),
		"relationships": shape.List(shape.Obj(map[string]shape.View{
			"resourceType": text, "resourceId": text, "resourceName": text, "name": text, "relationshipName": text,
		})),
		"configuration":              shape.Any(),
		"supplementaryConfiguration": shape.Any(),
	}
	return shape.Over(props, schema)
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
	c.lowered = shape.Lowered(c.inputs, usedNames(c))
}

// inputShape is what a policy finds under input, for one of its resource types.
func (b *builder) inputShape(c *candidate, resourceType string) shape.View {
	params := shape.Any()
	if c.params != nil {
		params = shape.Of(any(c.params.doc))
	}
	if c.policy.Kind == KindAlarm {
		return shape.Obj(map[string]shape.View{"event": eventShape(), "parameters": params})
	}
	item := itemShape(b.shapes[resourceType])
	return shape.Obj(map[string]shape.View{
		"resource": item, "parameters": params,
		"previous": shape.Nullable(item),
	})
}
