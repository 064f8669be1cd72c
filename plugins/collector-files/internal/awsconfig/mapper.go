package awsconfig

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/regent-dev/regent/plugins/collector-files/internal/awsname"
	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// maxUnwrap is how many envelopes may stand in each other: a rule's event within a notification is three.
const maxUnwrap = 5

// IsList says whether an array under the name is a list of items, in a file of nothing else.
func IsList(name []byte) bool {
	return string(name) == "configurationItems" || string(name) == "baseConfigurationItems"
}

// Mapper maps. It is not safe for concurrent use.
type Mapper struct {
	types awsname.Types
}

// New returns a mapper.
func New() *Mapper { return &Mapper{types: awsname.KnownTypes()} }

// errNoRecord says that a value is not meant to hold an item.
type errNoRecord string

// Error implements error.
func (e errNoRecord) Error() string { return string(e) }

// IsNoRecord reports whether the error of Map says that the value is well formed and holds no item, as
// the notifications do that tell of a delivery.
func IsNoRecord(err error) bool {
	var e errNoRecord
	return errors.As(err, &e)
}

// Map calls item for each item in rec, which must be valid JSON: with the item in Regent's form, or with
// the error that says why raw is none. The bytes of json are in memory of their own. Where there is no
// item at all, an error is returned and item is not called.
func (m *Mapper) Map(rec []byte, item func(json, raw []byte, err error)) error {
	return m.unwrap(rec, item, 0)
}

// envelope are the members that tell an envelope from an item.
type envelope struct {
	typ, id                   []byte
	item, items, summary      []byte
	message, detail, invoking []byte
	messageType, s3Key        []byte
}

func (m *Mapper) unwrap(v []byte, item func(json, raw []byte, err error), depth int) error {
	if depth > maxUnwrap {
		return errors.New("not a configuration item: too many envelopes")
	}
	if json, found, err := own(v); found {
		item(json, v, err)
		return nil
	}
	if jsontext.IsArray(v) {
		elements := jsontext.ElementsOf(v)
		n := 0
		for e, ok := elements.Next(); ok; e, ok = elements.Next() {
			if err := m.unwrap(e, item, depth+1); err != nil {
				item(nil, e, err)
			}
			n++
		}
		if n == 0 {
			return errNoRecord("an empty list of items")
		}
		return nil
	}
	if inner, ok := parsed(v); ok {
		return m.unwrap(inner, item, depth+1)
	}
	if !jsontext.IsObject(v) {
		return errors.New("not a configuration item: not an object")
	}
	e := readEnvelope(v)
	bare := e.typ == nil && e.id == nil
	switch {
	case inside(e.item):
		return m.unwrap(e.item, item, depth+1)
	case inside(e.items):
		return m.unwrap(e.items, item, depth+1)
	case jsontext.IsObject(e.summary):
		return m.summary(e.summary, e.s3Key, item)
	case bare && inside(e.message):
		return m.unwrap(e.message, item, depth+1)
	case bare && inside(e.detail):
		return m.unwrap(e.detail, item, depth+1)
	case bare && inside(e.invoking):
		return m.unwrap(e.invoking, item, depth+1)
	case e.messageType != nil:
		return errNoRecord(fmt.Sprintf("a notification without an item (%s)", jsontext.String(e.messageType)))
	case bare:
		return errors.New("not a configuration item: it has neither resourceType nor resourceId")
	}
	json, err := m.item(v)
	item(json, v, err)
	return nil
}

// inside reports whether a member can hold items: null and plain text cannot.
func inside(v []byte) bool {
	if jsontext.IsObject(v) || jsontext.IsArray(v) {
		return true
	}
	_, ok := parsed(v)
	return ok
}

// parsed returns the JSON object or array that stands in a string.
func parsed(v []byte) ([]byte, bool) {
	if !jsontext.IsString(v) {
		return nil, false
	}
	s := bytes.TrimSpace(jsontext.String(v))
	if len(s) == 0 || s[0] != '{' && s[0] != '[' {
		return nil, false
	}
	n, _, err := jsontext.Scan(s)
	return s, err == nil && n == len(s)
}

func readEnvelope(v []byte) (e envelope) {
	members := jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		switch string(name) {
		case "resourceType":
			e.typ = v
		case "resourceId":
			e.id = v
		case "configurationItem":
			e.item = v
		case "configurationItems", "baseConfigurationItems":
			e.items = v
		case "configurationItemSummary":
			e.summary = v
		case "s3DeliverySummary":
			e.s3Key = jsontext.Member(v, "s3BucketLocation")
		case "Message":
			e.message = v
		case "detail":
			e.detail = v
		case "invokingEvent":
			e.invoking = v
		case "messageType":
			e.messageType = v
		}
	}
	return e
}

// summary takes the place of an item that is too large for a notification. Without the configuration it
// would look like a resource that lost it, so only a deletion is taken from it.
func (m *Mapper) summary(v, place []byte, item func(json, raw []byte, err error)) error {
	json, err := m.item(v)
	status, _ := statusOf(jsontext.String(jsontext.Member(v, "configurationItemStatus")))
	switch {
	case err == nil && status != "ResourceDeleted" && status != "ResourceDeletedNotRecorded":
		at := "the delivery bucket"
		if s := jsontext.String(place); len(s) > 0 {
			at = string(s)
		}
		item(nil, v, fmt.Errorf("the item was too large for its notification; read it from %s", at))
	default:
		item(json, v, err)
	}
	return nil
}
