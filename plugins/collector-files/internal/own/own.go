// Package own reads records that are in Regent's form already: items and events, one JSON object each.
//
// What kind of record an object is, its member "kind" says ("item" or "event"), which is not part of the
// record; the record may also stand under a member of that name: {"kind":"event","event":{…}}. Without
// kind, an object with a resourceType is an item and one with a source an event.
package own

import (
	"errors"
	"fmt"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
	"github.com/regent-dev/regent/sdk"
)

// Append appends the record in rec, which must be valid JSON, to dst. lines says that rec holds line
// breaks.
func Append(dst, rec []byte, lines bool) ([]byte, sdk.Kind, error) {
	if !jsontext.IsObject(rec) {
		return dst, Guess(rec), errors.New("not a record: not an object")
	}
	var said, source, resourceType, item, event []byte
	members := jsontext.MembersOf(rec)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		switch string(name) {
		case "kind":
			said = v
		case "source":
			source = v
		case "resourceType":
			resourceType = v
		case "item":
			item = v
		case "event":
			event = v
		}
	}
	switch string(jsontext.String(said)) {
	case "item":
		if jsontext.IsObject(item) && resourceType == nil {
			return whole(dst, item, lines), sdk.KindItem, nil
		}
		return without(dst, rec), sdk.KindItem, nil
	case "event":
		if jsontext.IsObject(event) && source == nil {
			return whole(dst, event, lines), sdk.KindEvent, nil
		}
		return without(dst, rec), sdk.KindEvent, nil
	}
	switch {
	case said != nil:
		return dst, Guess(rec), fmt.Errorf(`kind is %s, not "item" or "event"`, said)
	case resourceType != nil:
		return whole(dst, rec, lines), sdk.KindItem, nil
	case source != nil:
		return whole(dst, rec, lines), sdk.KindEvent, nil
	}
	return dst, Guess(rec), errors.New("not a record: it has neither kind nor resourceType nor source")
}

func whole(dst, v []byte, lines bool) []byte {
	if lines {
		return jsontext.AppendCompact(dst, v)
	}
	return append(dst, v...)
}

// without appends the object without its kind.
func without(dst, v []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	members := jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		if string(name) == "kind" {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), '"', ':')
		dst = jsontext.AppendCompact(dst, v)
	}
	return append(dst, '}')
}

// Guess returns the kind that damaged bytes most likely had.
func Guess(b []byte) sdk.Kind {
	const name = `"resourceType"`
	for i := 0; i+len(name) <= len(b) && i < 4096; i++ {
		if string(b[i:i+len(name)]) == name {
			return sdk.KindItem
		}
	}
	return sdk.KindEvent
}
