// Package cloudtrail turns CloudTrail records into events in Regent's form.
//
// A Mapper is a pure function with working memory: it reads what it needs of the record's bytes where
// they stand and appends the event's JSON, with the record itself under detail, byte for byte but for
// the line breaks of one that has some. It is the hot path of the collector and uses neither reflection
// nor intermediate values.
//
// # Who
//
// The actor of a session is the role or user that the session was issued by, so that all its sessions
// are one actor; the session's name stands in sessionId. An AWS service acts under its host's name.
// Leaves that the record does not tell are left out.
//
// # What
//
// The action is the service and the call: "iam:CreateAccessKey". Targets are the resources that the
// record lists itself, that ARNs and ids anywhere in its request and response name, and that are named
// by the service's parameters, in this order, each once and at most MaxTargets.
//
// # Regent's own files
//
// A trail of Regent's writes events of other sources beside CloudTrail records, as records that look like
// CloudTrail's and hold the event under "regentEvent". That event is given back as it is.
package cloudtrail
