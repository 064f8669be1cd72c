package awsconfig

import (
	"fmt"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// mark is the member that Regent writes into the items of its snapshot and history files: an object with
// the names that it wrote by those that the item has.
const mark = "regentItem"

// own gives back an item that Regent wrote, as it was before. Nothing is put right in it: it need not come
// from AWS Config at all. It reports false for an item without the mark.
func own(v []byte) ([]byte, bool, error) {
	if !jsontext.IsObject(v) {
		return nil, false, nil
	}
	renamed := jsontext.Member(v, mark)
	if !jsontext.IsObject(renamed) {
		return nil, false, nil
	}
	names := map[string][]byte{}
	members := jsontext.MembersOf(renamed)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		if !jsontext.IsString(v) {
			return nil, true, fmt.Errorf("item written by Regent: %s names %s, which is no text", mark, v)
		}
		names[string(name)] = v
	}
	out := append(make([]byte, 0, len(v)), '{')
	members = jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		theirs, changed := names[string(name)]
		if string(name) == mark && !changed {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if changed {
			out = append(out, theirs...)
		} else {
			out = append(append(append(out, '"'), name...), '"')
		}
		out = jsontext.AppendCompact(append(out, ':'), v)
	}
	return append(out, '}'), true, nil
}
