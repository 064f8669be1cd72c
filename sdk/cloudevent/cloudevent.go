// Package cloudevent writes notifications as CloudEvents 1.0.
//
// The event's id is the delivery's, its source the installation, its type dev.regent.CLASS.STATUS, its
// subject the group, and its data the notification as the daemon wrote it.
package cloudevent

import (
	"encoding/json"
	"fmt"

	"github.com/regent-dev/regent/sdk"
)

// ContentType is that of an event in structured mode, BatchContentType that of a list of them.
const (
	ContentType      = "application/cloudevents+json; charset=utf-8"
	BatchContentType = "application/cloudevents-batch+json; charset=utf-8"
)

// Event is an event in structured mode.
type Event struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Severity        string          `json:"severity,omitempty"`
	Route           string          `json:"route,omitempty"`
	Data            json.RawMessage `json:"data"`
}

// Of returns the event of a notification.
func Of(n sdk.Notification) Event {
	return Event{
		SpecVersion: "1.0", ID: n.ID, Source: n.Source, Type: "dev.regent." + n.Class + "." + n.Status, Subject: n.GroupKey,
		Time: n.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), DataContentType: "application/json",
		Severity: n.Severity, Route: n.Route, Data: n.JSON,
	}
}

// Structured writes a notification in structured mode.
func Structured(n sdk.Notification) ([]byte, error) {
	b, err := json.Marshal(Of(n))
	if err != nil {
		return nil, fmt.Errorf("write CloudEvent: %w", err)
	}
	return b, nil
}
