package cloudtrail

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/regent-dev/regent/plugins/collector-files/internal/awsname"
	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// Source is the source of the events.
const Source = "aws.cloudtrail"

// Mapper maps records. The zero value is ready. It is not safe for concurrent use.
type Mapper struct {
	targets targets
}

// record is what is read of a CloudTrail record: strings still in their quotes, values as they stand.
type record struct {
	id, time, source, name, kind []byte
	errorCode, errorMessage      []byte
	address, agent               []byte
	recipient, region            []byte
	identity                     []byte
	request, response, resources []byte
	// The members of envelopes and digests.
	detailType, detail, lookup []byte
	digestStart, digestFiles   bool
	// own is the event that Regent wrote into a trail's file beside CloudTrail's names.
	own []byte
}

// errNoRecord says that a value is not meant to hold a record.
type errNoRecord string

// Error implements error.
func (e errNoRecord) Error() string { return string(e) }

// IsNoRecord reports whether the error of Append says that the value is well formed and holds no
// record, as the digests do that CloudTrail delivers beside its log files.
func IsNoRecord(err error) bool {
	var e errNoRecord
	return errors.As(err, &e)
}

// Append appends the event of a record to dst. rec must be valid JSON: a record, EventBridge's envelope
// around one, or an entry of what LookupEvents answers. lines says that rec holds line breaks. Where it
// fails, dst is returned as it was.
func (m *Mapper) Append(dst, rec []byte, lines bool) ([]byte, error) {
	if !jsontext.IsObject(rec) {
		return dst, errors.New("not a CloudTrail record: not an object")
	}
	r := read(rec)
	if r.source == nil && r.name == nil {
		// Both kinds of envelope, and at most one of them: a record in an envelope in an envelope is
		// nothing that AWS makes.
		switch {
		case jsontext.IsObject(r.detail) && r.detailType != nil:
			rec = r.detail
		case jsontext.IsString(r.lookup):
			rec = bytes.TrimSpace(jsontext.String(r.lookup))
			n, l, err := jsontext.Scan(rec)
			if err != nil || n != len(rec) || !jsontext.IsObject(rec) {
				return dst, errors.New("not a CloudTrail record: its CloudTrailEvent is not JSON")
			}
			lines = l
		case r.digestStart && r.digestFiles:
			return dst, errNoRecord("a digest of log files")
		default:
			return dst, errors.New("not a CloudTrail record: it has neither eventSource nor eventName")
		}
		r = read(rec)
	}
	switch {
	case jsontext.IsObject(r.own):
		if lines {
			return jsontext.AppendCompact(dst, r.own), nil
		}
		return append(dst, r.own...), nil
	case !isText(r.source):
		return dst, errors.New("not a CloudTrail record: it has no eventSource")
	case !isText(r.name):
		return dst, errors.New("not a CloudTrail record: it has no eventName")
	case !isText(r.time):
		return dst, errors.New("not a CloudTrail record: it has no eventTime")
	}
	out := append(dst, '{')
	if isText(r.id) {
		out = member(out, `"id":`, r.id)
		out = append(out, ',')
	}
	out = append(out, `"time":`...)
	out, err := appendTime(out, r.time)
	if err != nil {
		return dst, err
	}
	return m.rest(out, &r, rec, lines), nil
}

// read finds the members of a record.
func read(rec []byte) (r record) {
	members := jsontext.MembersOf(rec)
	for {
		name, v, ok := members.Next()
		if !ok {
			return r
		}
		switch string(name) {
		case "eventID":
			r.id = v
		case "eventTime":
			r.time = v
		case "eventSource":
			r.source = v
		case "eventName":
			r.name = v
		case "eventType":
			r.kind = v
		case "errorCode":
			r.errorCode = v
		case "errorMessage":
			r.errorMessage = v
		case "sourceIPAddress":
			r.address = v
		case "userAgent":
			r.agent = v
		case "recipientAccountId":
			r.recipient = v
		case "awsRegion":
			r.region = v
		case "userIdentity":
			r.identity = v
		case "requestParameters":
			r.request = v
		case "responseElements":
			r.response = v
		case "resources":
			r.resources = v
		case "detail-type":
			r.detailType = v
		case "detail":
			r.detail = v
		case "CloudTrailEvent":
			r.lookup = v
		case "digestStartTime":
			r.digestStart = true
		case "logFiles":
			r.digestFiles = true
		case "regentEvent":
			r.own = v
		}
	}
}

// isText reports whether v is a string that is not empty.
func isText(v []byte) bool { return len(v) > 2 && v[0] == '"' }

// member appends a member whose value is copied as it stands. name is written as `"name":`, with what
// goes before it.
func member(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	return append(dst, value...)
}

// optional appends a member where its value is a text.
func optional(dst []byte, name string, value []byte) []byte {
	if !isText(value) {
		return dst
	}
	return member(comma(dst), name, value)
}

// text appends a member of unquoted text, where there is any.
func text(dst []byte, name string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return jsontext.AppendString(append(comma(dst), name...), value)
}

// comma separates the next member from one before it.
func comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		return append(dst, ',')
	}
	return dst
}

// rest appends all after the time.
func (m *Mapper) rest(out []byte, r *record, rec []byte, lines bool) []byte {
	service := jsontext.String(r.source)
	if n := bytes.Index(service, []byte(".amazonaws.com")); n > 0 {
		service = service[:n]
	}
	event := jsontext.String(r.name)
	out = append(out, `,"source":"`+Source+`"`...)
	out = optional(out, `"type":`, r.kind)
	out = append(out, `,"action":`...)
	out = appendAction(out, service, event)
	out = append(out, `,"outcome":`...)
	out = append(out, outcome(r)...)
	out = append(out, `,"error":{`...)
	out = optional(out, `"code":`, r.errorCode)
	out = optional(out, `"message":`, r.errorMessage)
	out = append(out, `},"actor":{`...)
	var a actor
	a.read(r.identity)
	out = a.append(out)
	out = append(out, `},"origin":{`...)
	out = optional(out, `"address":`, r.address)
	out = optional(out, `"userAgent":`, r.agent)
	out = append(out, `},"targets":[`...)
	account, region := jsontext.String(r.recipient), jsontext.String(r.region)
	if len(account) == 0 {
		account = a.account
	}
	m.targets.gather(r, awsname.Call{Service: service, Event: event, Region: region})
	out = m.targets.append(out, account, region)
	out = append(out, ']')
	out = text(out, `"accountId":`, account)
	out = text(out, `"region":`, region)
	out = append(out, `,"detail":`...)
	if lines {
		out = jsontext.AppendCompact(out, rec)
	} else {
		out = append(out, rec...)
	}
	return append(out, '}')
}

func appendAction(dst, service, event []byte) []byte {
	var both [128]byte
	return jsontext.AppendString(dst, append(append(append(both[:0], service...), ':'), event...))
}

// outcome tells how the action ended. Only the console says so in its response; elsewhere an error is
// what tells.
func outcome(r *record) string {
	const success, failure, unknown = `"success"`, `"failure"`, `"unknown"`
	if isText(r.errorCode) || isText(r.errorMessage) {
		return failure
	}
	switch string(r.kind) {
	case `"AwsConsoleSignIn"`:
		members := jsontext.MembersOf(r.response)
		for _, v, ok := members.Next(); ok; _, v, ok = members.Next() {
			if string(v) == `"Failure"` {
				return failure
			}
		}
	case `"AwsCloudTrailInsight"`:
		// It reports a rate, not an action.
		return unknown
	}
	return success
}

// appendTime appends a time in the daemon's form: RFC 3339 in UTC with microseconds.
func appendTime(dst, v []byte) ([]byte, error) {
	// "2024-07-31T12:46:41Z", as all but the oldest records have it.
	if t := v[1 : len(v)-1]; isPlainTime(t) {
		dst = append(dst, '"')
		dst = append(dst, t[:19]...)
		return append(dst, `.000000Z"`...), nil
	}
	s := string(jsontext.String(v))
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return dst, fmt.Errorf("eventTime %q is not a time in RFC 3339", s)
	}
	return t.UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000000Z"`), nil
}

// isPlainTime checks the form and the range of each part but not the length of the month: the daemon
// checks times anyway, and would refuse the 31st of June.
func isPlainTime(t []byte) bool {
	if len(t) != 20 || t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' || t[19] != 'Z' {
		return false
	}
	two := func(i int) int {
		a, b := int(t[i])-'0', int(t[i+1])-'0'
		if a < 0 || a > 9 || b < 0 || b > 9 {
			return -1
		}
		return 10*a + b
	}
	month, day := two(5), two(8)
	return two(0) >= 0 && two(2) >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= 28 &&
		two(11) >= 0 && two(11) < 24 && two(14) >= 0 && two(14) < 60 && two(17) >= 0 && two(17) < 60
}
