package channel

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/regent-dev/regent/core/record"
)

// spelling are the names that AWS Config's files have for members of ours.
var spelling = map[string]string{
	`"accountId"`:                `"awsAccountId"`,
	`"arn"`:                      `"ARN"`,
	`"configurationItemMD5Hash"`: `"configurationStateMd5Hash"`,
	`"region"`:                   `"awsRegion"`,
}

// itemMark is the member that tells a reader how to get the item back: the written names by the item's own.
const itemMark = `"regentItem"`

// appendItem appends an item in AWS Config's spelling. Nothing but names is changed, so that the mark leads
// back to the same bytes: not every item comes from AWS Config, and what a reader of AWS Config's files puts
// right in its items would be wrong in others.
func appendItem(dst []byte, it *record.Item) ([]byte, error) {
	names := map[string]bool{}
	record.Members(it.Body, func(name, _ []byte) bool { names[string(name)] = true; return true })
	used := map[string]bool{itemMark: true}
	renamed := [][2]string{}
	dst = append(dst, '{')
	var problem error
	record.Members(it.Body, func(name, value []byte) bool {
		own := string(name)
		written := own
		if theirs, ok := spelling[own]; ok && !names[theirs] {
			written = theirs
		}
		for n := 1; used[written] || written != own && n > 1 && names[written]; n++ {
			written = fmt.Sprintf(`%s-%d"`, own[:len(own)-1], n)
		}
		used[written] = true
		if written != own {
			renamed = append(renamed, [2]string{written, own})
		}
		if own == `"configurationItemCaptureTime"` {
			value, problem = captured(value, it)
			if problem != nil {
				return false
			}
		}
		dst = append(append(append(append(dst, written...), ':'), value...), ',')
		return true
	})
	if problem != nil {
		return nil, problem
	}
	dst = append(append(dst, itemMark...), ':', '{')
	for i, r := range renamed {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, r[0]...), ':'), r[1]...)
	}
	return append(dst, '}', '}'), nil
}

// captured returns the capture time of a version. It is not always the one in the body: content that turned
// out to be in force again is kept as it came the first time.
func captured(value []byte, it *record.Item) ([]byte, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return nil, fmt.Errorf("item %s: capture time %s: %w", it.Key, value, err)
	}
	if t, err := record.ParseTime(text); err == nil && t.Equal(it.CaptureTime) {
		return value, nil
	}
	return slices.Concat([]byte{'"'}, []byte(record.FormatTime(it.CaptureTime)), []byte{'"'}), nil
}
