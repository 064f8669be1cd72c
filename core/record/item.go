package record

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// bookkeeping are the members of an item that say when and how it was captured, not what the
// resource is. They never make a new version. The status is here because its two living values mean
// the same; that a resource is gone is added to the hash by itself.
var bookkeeping = map[string]bool{
	`"configurationItemCaptureTime"`:  true,
	`"configurationItemDeliveryTime"`: true,
	`"configurationItemMD5Hash"`:      true,
	`"configurationItemStatus"`:       true,
	`"configurationItemVersion"`:      true,
	`"configurationStateId"`:          true,
	`"configurationStateMd5Hash"`:     true,
	`"recordingFrequency"`:            true,
	`"relatedEvents"`:                 true,
	`"version"`:                       true,
}

// ParseItem reads the item in body, which must be in canonical form and is kept. volatile are the
// paths of its type whose changes make no new version; it may be nil.
func ParseItem(body []byte, volatile *Paths) (Item, error) {
	it := Item{Body: body, Status: StatusOK}
	var problem error
	seen := false
	members(body, func(name, value []byte) bool {
		seen = true
		switch string(name) {
		case `"accountId"`:
			problem = want(&it.AccountID, "accountId", value)
		case `"region"`:
			problem = want(&it.Region, "region", value)
		case `"resourceType"`:
			problem = want(&it.ResourceType, "resourceType", value)
		case `"resourceId"`:
			problem = want(&it.ResourceID, "resourceId", value)
		case `"resourceName"`:
			it.ResourceName = text(value)
		case `"arn"`:
			it.ARN = text(value)
		case `"configurationItemCaptureTime"`:
			it.CaptureTime, problem = ParseTime(text(value))
		case `"configurationItemStatus"`:
			it.Status = Status(text(value))
		case `"relationships"`:
			elements(value, func(v []byte) {
				var r Relationship
				members(v, func(name, value []byte) bool {
					switch string(name) {
					case `"resourceType"`:
						r.ResourceType = text(value)
					case `"resourceId"`:
						r.ResourceID = text(value)
					case `"resourceName"`:
						r.ResourceName = text(value)
					case `"name"`, `"relationshipName"`:
						r.Name = text(value)
					}
					return true
				})
				if r.ResourceType != "" && (r.ResourceID != "" || r.ResourceName != "") {
					it.Relationships = append(it.Relationships, r)
				}
			})
		case `"tags"`:
			members(value, func(name, value []byte) bool {
				if it.Tags == nil {
					it.Tags = map[string]string{}
				}
				it.Tags[text(name)] = text(value)
				return true
			})
		}
		return problem == nil
	})
	switch {
	case problem != nil:
		return Item{}, problem
	case !seen:
		return Item{}, errors.New("item is not a JSON object")
	case it.ResourceType == "":
		return Item{}, errors.New("item has no resourceType")
	case it.ResourceID == "":
		return Item{}, errors.New("item has no resourceId")
	}
	switch it.Status {
	case StatusOK, StatusDiscovered, StatusNotRecorded, StatusDeleted, StatusDeletedNotRecorded:
	default:
		return Item{}, fmt.Errorf("item has an unknown configurationItemStatus %q", it.Status)
	}
	it.Hash = contentHash(body, it.Status, volatile)
	return it, nil
}

// want reads a string that must be one: an account number sent as a JSON number would be another
// account as soon as a second source sends it as text.
func want(to *string, name string, value []byte) error {
	if value[0] != '"' {
		return fmt.Errorf("%s is not a string", name)
	}
	*to = text(value)
	return nil
}

// contentHash hashes the canonical body without what does not count.
func contentHash(body []byte, status Status, volatile *Paths) Digest {
	h := sha256.New()
	if !status.Recorded() {
		// What a deleted resource last looked like does not matter: two reports of the same
		// deletion are the same.
		h.Write([]byte(status))
		var d Digest
		h.Sum(d[:0])
		return d
	}
	if !volatile.Empty() {
		body = volatile.Rewrite(make([]byte, 0, len(body)), body, func([]byte) []byte { return nil })
	}
	members(body, func(name, value []byte) bool {
		if !bookkeeping[string(name)] {
			h.Write(name)
			h.Write([]byte{':'})
			h.Write(value)
			h.Write([]byte{','})
		}
		return true
	})
	var d Digest
	h.Sum(d[:0])
	return d
}

// Gone returns the item that says that the resource of it is gone, captured at t, with the status
// that tells why. Its body keeps the identity and nothing else.
func (it *Item) Gone(status Status, t time.Time) Item {
	gone := Item{
		Key: it.Key, ResourceName: it.ResourceName, ARN: it.ARN,
		CaptureTime: t.UTC().Truncate(time.Microsecond), Status: status,
	}
	b := []byte("{")
	member := func(name, value string) {
		if value == "" {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendString(b, value)
	}
	// The order is that of the canonical form.
	member("accountId", gone.AccountID)
	member("arn", gone.ARN)
	member("configurationItemCaptureTime", FormatTime(gone.CaptureTime))
	member("configurationItemStatus", string(status))
	member("region", gone.Region)
	member("resourceId", gone.ResourceID)
	member("resourceName", gone.ResourceName)
	member("resourceType", gone.ResourceType)
	gone.Body = append(b, '}')
	gone.Hash = contentHash(gone.Body, status, nil)
	return gone
}

// appendString appends s as a JSON string in canonical form.
func appendString(dst []byte, s string) []byte {
	c := Canon{dst: append(dst, '"')}
	for _, r := range s {
		c.rune(r)
	}
	return append(c.dst, '"')
}
