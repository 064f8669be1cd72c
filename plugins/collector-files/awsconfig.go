package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/regent-dev/regent/sdk"
)

// renamed are the members of AWS Config's items whose names differ between the forms in which they come,
// and from ours.
var renamed = map[string]string{
	"awsAccountId":              "accountId",
	"awsRegion":                 "region",
	"ARN":                       "arn",
	"availibilityZone":          "availabilityZone",
	"configurationStateID":      "configurationStateId",
	"configurationStateMd5Hash": "configurationItemMD5Hash",
}

// configItem turns one of AWS Config's items, bare or in a notification, into an item under our names.
func configItem(raw []byte) (sdk.Kind, []byte, error) {
	if !gjson.ValidBytes(raw) {
		return sdk.KindItem, nil, errors.New("not valid JSON")
	}
	rec := gjson.ParseBytes(raw)
	for _, path := range []string{"Message", "detail", "configurationItem"} {
		inner := rec.Get(path)
		if inner.Type == gjson.String && gjson.Valid(inner.Str) {
			inner = gjson.Parse(inner.Str)
		}
		if inner.IsArray() && len(inner.Array()) == 1 {
			inner = inner.Array()[0]
		}
		if inner.IsObject() && !rec.Get("resourceType").Exists() {
			rec = inner
		}
	}
	if rec.Get("resourceType").Str == "" || rec.Get("resourceId").Str == "" {
		return sdk.KindItem, nil, errors.New("not a configuration item: it has no resourceType or no resourceId")
	}
	var b bytes.Buffer
	b.WriteByte('{')
	seen := map[string]bool{}
	var err error
	rec.ForEach(func(k, v gjson.Result) bool {
		name := k.Str
		if to, ok := renamed[name]; ok {
			name = to
		}
		if seen[name] || v.Type == gjson.Null {
			return true
		}
		value := v.Raw
		switch name {
		case "configuration", "supplementaryConfiguration":
			// Some deliveries carry these as JSON in a string.
			if v.Type == gjson.String {
				if !gjson.Valid(v.Str) {
					if v.Str == "" {
						return true
					}
					err = fmt.Errorf("%s is a string that is not JSON", name)
					return false
				}
				value = v.Str
			}
		case "relationships":
			value = relationships(v)
		case "accountId", "region", "resourceId", "resourceType", "arn", "resourceName":
			if v.Type != gjson.String {
				value = string(appendText(nil, v.String()))
			}
		case "configurationItemStatus":
			value = string(appendText(nil, status(v.String())))
		case "configurationItemCaptureTime":
			if _, bad := time.Parse(time.RFC3339Nano, v.String()); bad != nil {
				err = fmt.Errorf("configurationItemCaptureTime %q is not a time", v.String())
				return false
			}
		case "tags":
			value = tags(v)
		}
		seen[name] = true
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(appendText(nil, name))
		b.WriteByte(':')
		b.WriteString(value)
		return true
	})
	if err != nil {
		return sdk.KindItem, nil, err
	}
	b.WriteByte('}')
	return sdk.KindItem, b.Bytes(), nil
}

// status maps the spellings of older deliveries.
func status(s string) string {
	switch strings.ToUpper(s) {
	case "OK", "":
		return sdk.StatusOK
	case "DISCOVERED", "RESOURCEDISCOVERED":
		return sdk.StatusDiscovered
	case "DELETED", "RESOURCEDELETED":
		return sdk.StatusDeleted
	case "RESOURCEDELETEDNOTRECORDED":
		return "ResourceDeletedNotRecorded"
	case "RESOURCENOTRECORDED":
		return sdk.StatusNotRecorded
	}
	return s
}

// relationships writes them as objects with our names. Those of one delivery may be lists of ids or of
// names under one object.
func relationships(v gjson.Result) string {
	out := []sdk.Relationship{}
	v.ForEach(func(_, r gjson.Result) bool {
		base := sdk.Relationship{ResourceType: r.Get("resourceType").String(), Name: r.Get("name").String()}
		if base.Name == "" {
			base.Name = r.Get("relationshipName").String()
		}
		add := func(ids, names gjson.Result) {
			for _, id := range many(ids) {
				x := base
				x.ResourceID = id
				if !names.IsArray() {
					x.ResourceName = names.String()
				}
				out = append(out, x)
			}
			if len(many(ids)) == 0 {
				for _, name := range many(names) {
					x := base
					x.ResourceName = name
					out = append(out, x)
				}
			}
		}
		add(r.Get("resourceId"), r.Get("resourceName"))
		return true
	})
	// The type holds strings only.
	b, _ := json.Marshal(out)
	return string(b)
}

func many(v gjson.Result) []string {
	if v.IsArray() {
		var out []string
		for _, x := range v.Array() {
			if s := x.String(); s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	if s := v.String(); s != "" {
		return []string{s}
	}
	return nil
}

// tags are a map; some deliveries write a list of key and value.
func tags(v gjson.Result) string {
	if !v.IsArray() {
		return v.Raw
	}
	out := map[string]string{}
	for _, t := range v.Array() {
		key := t.Get("key").String()
		if key == "" {
			key = t.Get("tagName").String()
		}
		value := t.Get("value").String()
		if value == "" {
			value = t.Get("tagValue").String()
		}
		if key != "" {
			out[key] = value
		}
	}
	b, _ := json.Marshal(out)
	return string(b)
}
