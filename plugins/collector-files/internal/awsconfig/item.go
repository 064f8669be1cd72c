package awsconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/regent-dev/regent/plugins/collector-files/internal/awsname"
	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// texts are the members that identify and describe an item, by the names that AWS Config writes them
// under, and ours.
var texts = map[string]string{
	"accountId": "accountId", "awsAccountId": "accountId",
	"region": "region", "awsRegion": "region",
	"arn": "arn", "ARN": "arn",
	"resourceId":       "resourceId",
	"resourceName":     "resourceName",
	"availabilityZone": "availabilityZone", "availibilityZone": "availabilityZone",
	"version": "configurationItemVersion", "configurationItemVersion": "configurationItemVersion",
	"configurationStateId": "configurationStateId", "configurationStateID": "configurationStateId",
	"configurationItemMD5Hash": "configurationItemMD5Hash", "configurationStateMd5Hash": "configurationItemMD5Hash",
}

// writer appends the members of an object, each name once.
type writer struct {
	b    []byte
	seen map[string]bool
}

// begin reports whether a member of the name can be written, and writes the name.
func (w *writer) begin(name string) bool {
	if w.seen[name] {
		return false
	}
	w.seen[name] = true
	if len(w.b) > 1 {
		w.b = append(w.b, ',')
	}
	w.b = append(jsontext.AppendString(w.b, name), ':')
	return true
}

// item writes one item.
func (m *Mapper) item(v []byte) ([]byte, error) {
	w := writer{b: append(make([]byte, 0, len(v)+128), '{'), seen: map[string]bool{}}
	var typ, id []byte
	answer := isAnswer(v)
	members := jsontext.MembersOf(v)
	for raw, v, ok := members.Next(); ok; raw, v, ok = members.Next() {
		name := string(jsontext.Unescape(raw))
		if jsontext.IsNull(v) {
			continue
		}
		if ours, ok := texts[name]; ok {
			if s := plainText(v); len(s) > 0 && w.begin(ours) {
				w.b = jsontext.AppendString(w.b, s)
				if ours == "resourceId" {
					id = s
				}
			}
			continue
		}
		switch name {
		case "resourceType":
			if typ = m.types.Correct(plainText(v)); len(typ) > 0 && w.begin(name) {
				w.b = jsontext.AppendString(w.b, typ)
			}
		case "configurationItemStatus":
			status, err := statusOf(plainText(v))
			if err != nil {
				return nil, err
			}
			if w.begin(name) {
				w.b = jsontext.AppendString(w.b, status)
			}
		case "configurationItemCaptureTime", "resourceCreationTime", "configurationItemDeliveryTime":
			if err := w.time(name, v); err != nil {
				return nil, err
			}
		case "configuration", "supplementaryConfiguration":
			if inner, ok := parsed(v); ok {
				v = inner
			}
			if name == "supplementaryConfiguration" && answer {
				v = unpacked(v)
			}
			if string(v) != `""` && string(v) != `"null"` && w.begin(name) {
				w.b = jsontext.AppendCompact(w.b, v)
			}
		case "relationships":
			if w.begin(name) {
				w.b = m.relationships(w.b, v)
			}
		case "tags":
			if w.begin(name) {
				w.b = tags(w.b, v)
			}
		case "configurationItemDiff":
			// The history has the difference itself.
		default:
			if w.begin(name) {
				w.b = jsontext.AppendCompact(w.b, v)
			}
		}
	}
	switch {
	case len(typ) == 0:
		return nil, errors.New("not a configuration item: it has no resourceType")
	case len(id) == 0:
		return nil, errors.New("not a configuration item: it has no resourceId")
	}
	return append(w.b, '}'), nil
}

// isAnswer reports whether an item comes from the API, which writes the configuration into a string.
func isAnswer(v []byte) bool {
	members := jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		if string(name) == "configuration" && jsontext.IsString(v) {
			_, ok := parsed(v)
			return ok
		}
	}
	return false
}

// unpacked returns an object with the JSON that stands in its strings. The API writes each member of
// supplementaryConfiguration so, texts and truth values included; files hold the values themselves, of
// which some are texts that happen to be JSON, such as policies.
func unpacked(v []byte) []byte {
	out := append(make([]byte, 0, len(v)), '{')
	members := jsontext.MembersOf(v)
	n := 0
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		if n++; n > 1 {
			out = append(out, ',')
		}
		out = append(jsontext.AppendString(out, jsontext.Unescape(name)), ':')
		if text := jsontext.String(v); jsontext.IsString(v) && json.Valid(text) {
			v = bytes.TrimSpace(text)
		}
		out = jsontext.AppendCompact(out, v)
	}
	if n == 0 {
		return v
	}
	return append(out, '}')
}

// plainText returns the text of a string or of a number: account ids are written as either.
func plainText(v []byte) []byte {
	if len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
		return v
	}
	return jsontext.String(v)
}

// statusOf returns our spelling of a status. The first version of AWS Config had its own words.
func statusOf(s []byte) (string, error) {
	switch strings.ToLower(string(s)) {
	case "", "ok":
		return "OK", nil
	case "resourcediscovered", "discovered":
		return "ResourceDiscovered", nil
	case "resourcenotrecorded":
		return "ResourceNotRecorded", nil
	case "resourcedeleted", "deleted":
		return "ResourceDeleted", nil
	case "resourcedeletednotrecorded":
		return "ResourceDeletedNotRecorded", nil
	}
	return "", fmt.Errorf("configurationItemStatus %q is none that AWS Config records resources with", s)
}

// time writes a time. Only that of the capture decides anything and must be one.
func (w *writer) time(name string, v []byte) error {
	t, ok := timeOf(v)
	switch {
	case ok:
		if w.begin(name) {
			w.b = t.UTC().AppendFormat(w.b, `"2006-01-02T15:04:05.000000Z"`)
		}
	case string(v) == `""`:
	case name == "configurationItemCaptureTime":
		return fmt.Errorf("configurationItemCaptureTime %s is not a time", v)
	case w.begin(name):
		w.b = jsontext.AppendCompact(w.b, v)
	}
	return nil
}

// layouts are the ways in which times are written; those without a zone are in UTC.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
}

// timeOf reads a time: a text, seconds or milliseconds since 1970, or what Python prints for one.
func timeOf(v []byte) (time.Time, bool) {
	if !jsontext.IsString(v) {
		f, err := strconv.ParseFloat(string(v), 64)
		const inMilliseconds = 1e11
		switch {
		case err != nil || f < 0 || f > 1e15:
			return time.Time{}, false
		case f >= inMilliseconds:
			return time.UnixMilli(int64(f)), true
		}
		return time.UnixMicro(int64(f*1e6 + 0.5)), true
	}
	s := string(jsontext.String(v))
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			return t, true
		}
	}
	inner, ok := strings.CutPrefix(s, "datetime.datetime(")
	if !ok {
		return time.Time{}, false
	}
	var n [7]int
	for i, p := range strings.Split(strings.TrimSuffix(inner, ")"), ",") {
		k, err := strconv.Atoi(strings.TrimSpace(p))
		if err != nil || i >= len(n) {
			if i < 5 {
				return time.Time{}, false
			}
			break
		}
		n[i] = k
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)
	return t, n[0] > 1970 && t.Day() == n[2] && int(t.Month()) == n[1]
}

// relationships writes {resourceType, resourceId, resourceName, name} for each. In what they come the
// name of the relationship has two spellings, and an id or a name may be a list of them.
func (m *Mapper) relationships(dst, v []byte) []byte {
	dst = append(dst, '[')
	start := len(dst)
	one := func(typ, id, name, relation []byte) {
		if len(typ) == 0 && len(id) > 0 {
			typ = []byte(awsname.FromID(id))
		}
		if len(typ) == 0 || len(id) == 0 && len(name) == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"resourceType":`...)
		dst = jsontext.AppendString(dst, typ)
		for _, p := range [...]struct {
			name  string
			value []byte
		}{{`,"resourceId":`, id}, {`,"resourceName":`, name}, {`,"name":`, relation}} {
			if len(p.value) > 0 {
				dst = jsontext.AppendString(append(dst, p.name...), p.value)
			}
		}
		dst = append(dst, '}')
	}
	elements := jsontext.ElementsOf(v)
	for e, ok := elements.Next(); ok; e, ok = elements.Next() {
		if s := jsontext.String(e); len(s) > 0 {
			if awsname.IsARN(s) {
				if r, ok := awsname.FromARN(s); ok {
					one([]byte(r.Type), r.ID, r.Name, nil)
				}
			} else {
				one(nil, s, nil, nil)
			}
			continue
		}
		var typ, relation []byte
		var ids, names [][]byte
		members := jsontext.MembersOf(e)
		for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
			switch string(name) {
			case "resourceType":
				typ = m.types.Correct(jsontext.String(v))
			case "resourceId":
				ids = listOf(v)
			case "resourceName":
				names = listOf(v)
			case "name", "relationshipName":
				if s := bytes.TrimSpace(jsontext.String(v)); len(s) > 0 {
					relation = s
				}
			}
		}
		switch {
		case len(ids) == len(names):
			for i := range ids {
				one(typ, ids[i], names[i], relation)
			}
		default:
			for _, id := range ids {
				one(typ, id, nil, relation)
			}
			for _, name := range names {
				one(typ, nil, name, relation)
			}
		}
	}
	return append(dst, ']')
}

// listOf returns the texts of a string or a list of strings.
func listOf(v []byte) (out [][]byte) {
	if s := jsontext.String(v); len(s) > 0 {
		return [][]byte{s}
	}
	elements := jsontext.ElementsOf(v)
	for e, ok := elements.Next(); ok; e, ok = elements.Next() {
		if s := jsontext.String(e); len(s) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// tags writes an object of texts. Services write lists of keys and values.
func tags(dst, v []byte) []byte {
	w := writer{b: append(dst, '{'), seen: map[string]bool{}}
	start := len(w.b)
	add := func(key, value []byte) {
		if w.seen[string(key)] {
			return
		}
		w.seen[string(key)] = true
		if len(w.b) > start {
			w.b = append(w.b, ',')
		}
		w.b = append(jsontext.AppendString(w.b, key), ':')
		w.b = jsontext.AppendString(w.b, value)
	}
	members := jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		add(jsontext.Unescape(name), tagText(v))
	}
	elements := jsontext.ElementsOf(v)
	for e, ok := elements.Next(); ok; e, ok = elements.Next() {
		var key, value []byte
		found := false
		members := jsontext.MembersOf(e)
		for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
			switch string(name) {
			case "key", "Key", "tagKey", "tagName":
				key, found = tagText(v), true
			case "value", "Value", "tagValue":
				value = tagText(v)
			}
		}
		if found {
			add(key, value)
		}
	}
	return append(w.b, '}')
}

// tagText returns a tag's text; one that is no text is written as its JSON.
func tagText(v []byte) []byte {
	if jsontext.IsNull(v) {
		return nil
	}
	if jsontext.IsString(v) {
		return jsontext.String(v)
	}
	return jsontext.AppendCompact(nil, v)
}
