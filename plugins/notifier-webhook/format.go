package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/regent-dev/regent/sdk"
	"github.com/regent-dev/regent/sdk/cloudevent"
)

// formats write a notification by the name of the format.
var formats = map[string]func(sdk.Notification) ([]byte, http.Header, error){
	"cloudevents": func(n sdk.Notification) ([]byte, http.Header, error) {
		b, err := cloudevent.Structured(n)
		return b, http.Header{"Content-Type": {cloudevent.ContentType}}, err
	},
	"cloudevents-batch": func(n sdk.Notification) ([]byte, http.Header, error) {
		b, err := json.Marshal([]cloudevent.Event{cloudevent.Of(n)})
		return b, http.Header{"Content-Type": {cloudevent.BatchContentType}}, err
	},
	"cloudevents-binary": binary,
	"alertmanager":       alertmanager,
	"slack":              slack,
}

// binary puts the attributes into headers (CloudEvents HTTP binding 1.0.2, section 3.1).
func binary(n sdk.Notification) ([]byte, http.Header, error) {
	e := cloudevent.Of(n)
	h := http.Header{"Content-Type": {e.DataContentType}}
	for name, value := range map[string]string{
		"ce-specversion": e.SpecVersion, "ce-id": e.ID, "ce-source": e.Source, "ce-type": e.Type, "ce-subject": e.Subject,
		"ce-time": e.Time, "ce-severity": e.Severity, "ce-route": e.Route,
	} {
		if value != "" {
			h.Set(name, percent(value))
		}
	}
	return e.Data, h, nil
}

// percent encodes what a header may not hold (section 3.1.3.2).
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c <= 0x20 || c == '"' || c == '%' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// The body of Alertmanager's webhook receiver, version 4.
type (
	amMessage struct {
		Version           string            `json:"version"`
		GroupKey          string            `json:"groupKey"`
		TruncatedAlerts   int               `json:"truncatedAlerts"`
		Status            string            `json:"status"`
		Receiver          string            `json:"receiver"`
		GroupLabels       map[string]string `json:"groupLabels"`
		CommonLabels      map[string]string `json:"commonLabels"`
		CommonAnnotations map[string]string `json:"commonAnnotations"`
		ExternalURL       string            `json:"externalURL"`
		Alerts            []amAlert         `json:"alerts"`
	}
	amAlert struct {
		Status       string            `json:"status"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt"`
		GeneratorURL string            `json:"generatorURL"`
		Fingerprint  string            `json:"fingerprint"`
	}
)

func alertmanager(n sdk.Notification) ([]byte, http.Header, error) {
	status := func(active bool) string {
		if active {
			return "firing"
		}
		return "resolved"
	}
	m := amMessage{
		Version: "4", GroupKey: n.GroupKey, TruncatedAlerts: n.Truncated, Status: status(n.Status != sdk.StatusResolved), Receiver: n.Instance,
		GroupLabels: n.Group, CommonLabels: map[string]string{"class": n.Class}, CommonAnnotations: map[string]string{"summary": n.Title, "description": n.Text},
		ExternalURL: n.Source, Alerts: []amAlert{},
	}
	if m.GroupLabels == nil {
		m.GroupLabels = map[string]string{}
	}
	for _, c := range n.Changes {
		labels := map[string]string{"alertname": c.Title}
		for k, v := range c.Labels {
			labels[k] = v
		}
		for k, v := range map[string]string{"policy": c.Policy, "severity": c.Severity, "account": c.AccountID, "class": c.Class} {
			if v != "" {
				labels[k] = v
			}
		}
		if c.Resource != nil {
			labels["resource_type"], labels["resource_id"] = c.Resource.ResourceType, c.Resource.ResourceID
		}
		a := amAlert{
			Status: status(c.Active), Labels: labels, Annotations: map[string]string{"summary": c.Title, "description": c.Message},
			StartsAt: c.RecordedAt, GeneratorURL: n.Source, Fingerprint: c.Key,
		}
		if !c.Active {
			a.EndsAt = c.At
		}
		if c.Cause != nil && c.Cause.Text != "" {
			a.Annotations["cause"] = c.Cause.Text
		}
		m.Alerts = append(m.Alerts, a)
	}
	b, err := json.Marshal(m)
	return b, http.Header{"Content-Type": {"application/json"}}, err
}

// Slack refuses longer texts, and more elements.
const (
	slackHeader   = 150
	slackSection  = 2900
	slackElements = 10
)

func slack(n sdk.Notification) ([]byte, http.Header, error) {
	mark := map[string]string{sdk.StatusFiring: ":red_circle:", sdk.StatusResolved: ":large_green_circle:"}[n.Status]
	title := strings.TrimSpace(mark + " " + n.Title)
	type text struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	type block struct {
		Type     string `json:"type"`
		Text     *text  `json:"text,omitempty"`
		Elements []text `json:"elements,omitempty"`
	}
	blocks := []block{
		{Type: "header", Text: &text{"plain_text", cut(title, slackHeader)}},
		{Type: "section", Text: &text{"mrkdwn", cut(escape(n.Text), slackSection)}},
	}
	var causes []text
	for _, c := range n.Changes {
		// The text names the actors of the changes that it lists.
		if c.Cause == nil || c.Cause.Text == "" || strings.Contains(n.Text, c.Cause.Text) || len(causes) == slackElements {
			continue
		}
		line := c.Cause.Text
		if c.Resource != nil {
			line = c.Resource.ResourceID + ": " + line
		}
		causes = append(causes, text{"mrkdwn", cut(escape(line), slackSection)})
	}
	if len(causes) > 0 {
		blocks = append(blocks, block{Type: "context", Elements: causes})
	}
	foot := fmt.Sprintf("%s · route %s · %s", n.Class, n.Route, n.Source)
	if n.Truncated > 0 {
		foot += fmt.Sprintf(" · %d more", n.Truncated)
	}
	blocks = append(blocks, block{Type: "context", Elements: []text{{"mrkdwn", escape(foot)}}})
	b, err := json.Marshal(map[string]any{"text": cut(escape(title), slackSection), "blocks": blocks})
	return b, http.Header{"Content-Type": {"application/json"}}, err
}

// escape keeps Slack from taking text for its own marks and mentions.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
