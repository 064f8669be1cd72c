package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/regent-dev/regent/sdk"
)

// cloudTrail turns a CloudTrail record, bare or in an EventBridge envelope, into an event. The record
// itself stands unchanged under detail.
func cloudTrail(raw []byte) (sdk.Kind, []byte, error) {
	if !gjson.ValidBytes(raw) {
		return sdk.KindEvent, nil, errors.New("not valid JSON")
	}
	rec := gjson.ParseBytes(raw)
	if !rec.IsObject() {
		return sdk.KindEvent, nil, errors.New("a CloudTrail record is a JSON object")
	}
	if d := rec.Get("detail"); d.IsObject() && rec.Get("detail-type").Exists() {
		rec = d
		raw = []byte(d.Raw)
	}
	var t trail
	rec.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "eventID":
			t.id = v.String()
		case "eventTime":
			t.time = v.String()
		case "eventSource":
			t.service, _, _ = strings.Cut(v.String(), ".")
		case "eventName":
			t.name = v.String()
		case "eventType":
			t.typ = v.String()
		case "errorCode":
			t.errorCode = v.String()
		case "errorMessage":
			t.errorMessage = v.String()
		case "awsRegion":
			t.region = v.String()
		case "recipientAccountId":
			t.account = v.String()
		case "sourceIPAddress":
			t.address = v.String()
		case "userAgent":
			t.agent = v.String()
		case "userIdentity":
			t.identity = v
		case "requestParameters":
			t.request = v
		case "responseElements":
			t.response = v
		case "resources":
			t.resources = v
		}
		return true
	})
	if t.name == "" || t.service == "" {
		return sdk.KindEvent, nil, errors.New("not a CloudTrail record: it has no eventName or no eventSource")
	}
	return sdk.KindEvent, t.event(compact(raw)), nil
}

// trail is what is read of a record.
type trail struct {
	id, time, service, name, typ, errorCode, errorMessage string
	region, account, address, agent                       string
	identity, request, response, resources                gjson.Result
}

// event writes the event's JSON by appending; the record is most of it and is copied once.
func (t *trail) event(detail []byte) []byte {
	actor := t.actor()
	if t.account == "" {
		t.account = t.identity.Get("accountId").String()
	}
	outcome := sdk.OutcomeSuccess
	if t.errorCode != "" {
		outcome = sdk.OutcomeFailure
	}
	b := make([]byte, 0, len(detail)+768)
	b = append(b, '{')
	b = member(b, "id", t.id)
	b = member(b, "time", t.time)
	b = member(b, "source", "aws.cloudtrail")
	b = member(b, "type", t.typ)
	b = member(b, "action", t.service+":"+t.name)
	b = member(b, "outcome", outcome)
	b = append(b, `,"error":{`...)
	b = member(b, "code", t.errorCode)
	b = member(b, "message", t.errorMessage)
	b = append(b, `},"actor":{`...)
	b = member(b, "type", actor.Type)
	b = member(b, "id", actor.ID)
	b = member(b, "name", actor.Name)
	b = member(b, "accountId", actor.AccountID)
	b = member(b, "sessionId", actor.SessionID)
	b = append(b, `},"origin":{`...)
	b = member(b, "address", t.address)
	b = member(b, "userAgent", t.agent)
	b = append(b, `},"targets":[`...)
	for i, target := range t.targets() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = member(b, "resourceType", target.ResourceType)
		b = member(b, "resourceId", target.ResourceID)
		b = member(b, "name", target.Name)
		b = member(b, "accountId", target.AccountID)
		b = member(b, "region", target.Region)
		b = append(b, '}')
	}
	b = append(b, ']')
	b = member(b, "accountId", t.account)
	b = member(b, "region", t.region)
	b = append(b, `,"detail":`...)
	b = append(b, detail...)
	return append(b, '}')
}

// member appends a member with a text; an empty text is a leaf that is not known and is left out.
func member(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	if c := b[len(b)-1]; c != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendText(b, text)
}

func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			quoted, err := json.Marshal(text)
			if err != nil {
				return strconv.AppendQuote(b, strings.ToValidUTF8(text, "�"))
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// actor tells who acted. Of a role it is the role that acts: its ARN without the session is the id, so
// that all its sessions are one actor; the session's name stands apart.
func (t *trail) actor() sdk.Actor {
	u := t.identity
	if !u.IsObject() {
		return sdk.Actor{}
	}
	text := func(path string) string { return u.Get(path).String() }
	a := sdk.Actor{Type: text("type"), ID: text("arn"), Name: text("userName"), AccountID: text("accountId")}
	switch a.Type {
	case "AssumedRole":
		issuer := u.Get("sessionContext.sessionIssuer")
		if arn := issuer.Get("arn").String(); arn != "" {
			a.ID = arn
		}
		if name := issuer.Get("userName").String(); name != "" {
			a.Name = name
		}
		// arn:aws:sts::account:assumed-role/role/session
		if parts := strings.SplitN(text("arn"), "/", 3); len(parts) == 3 {
			a.SessionID = parts[2]
			if a.Name == "" {
				a.Name = parts[1]
			}
			if a.ID == text("arn") {
				a.ID = parts[0] + "/" + parts[1]
			}
		}
		if a.SessionID == "" {
			_, a.SessionID, _ = strings.Cut(text("principalId"), ":")
		}
	case "FederatedUser":
		issuer := u.Get("sessionContext.sessionIssuer")
		if name := issuer.Get("userName").String(); name != "" && a.Name == "" {
			a.Name = name
		}
		_, a.SessionID, _ = strings.Cut(text("principalId"), ":")
	case "Root":
		if a.Name == "" {
			a.Name = "root"
		}
	case "AWSService":
		a.ID, a.Name = text("invokedBy"), text("invokedBy")
	case "IdentityCenterUser":
		if id := text("onBehalfOf.userId"); id != "" {
			a.ID = id
		}
	}
	if a.ID == "" {
		a.ID = text("principalId")
	}
	if a.ID == "" {
		a.ID = text("accessKeyId")
	}
	return a
}

// maxTargets bounds the targets of one event.
const maxTargets = 100

// targets gathers what the action was done to: what the record says itself, what request and response
// name by parameters that are known to name resources, and ARNs anywhere in them.
func (t *trail) targets() []sdk.Target {
	var out []sdk.Target
	add := func(x sdk.Target) {
		if len(out) >= maxTargets || x.ResourceID == "" && x.Name == "" {
			return
		}
		for i := range out {
			if out[i].ResourceType == x.ResourceType && (out[i].ResourceID == x.ResourceID && x.ResourceID != "" || out[i].Name == x.Name && x.Name != "") {
				if out[i].Name == "" {
					out[i].Name = x.Name
				}
				return
			}
		}
		out = append(out, x)
	}
	t.resources.ForEach(func(_, r gjson.Result) bool {
		arn := r.Get("ARN").String()
		if arn == "" {
			arn = r.Get("arn").String()
		}
		x, ok := fromARN(arn)
		if typ := r.Get("type").String(); typ != "" {
			x.ResourceType = typ
			if !ok {
				x.ResourceID = arn
			}
		}
		if acc := r.Get("accountId").String(); acc != "" {
			x.AccountID = acc
		}
		add(x)
		return true
	})
	walk(t.request, "", t.service, 0, add)
	walk(t.response, "", t.service, 0, add)
	return out
}

// walk looks for targets in a value. It goes no deeper than people nest parameters.
func walk(v gjson.Result, name, service string, depth int, add func(sdk.Target)) {
	switch {
	case depth > 8:
	case v.IsObject():
		v.ForEach(func(k, x gjson.Result) bool {
			walk(x, k.Str, service, depth+1, add)
			return true
		})
	case v.IsArray():
		v.ForEach(func(_, x gjson.Result) bool {
			walk(x, name, service, depth+1, add)
			return true
		})
	case v.Type == gjson.String:
		text := v.Str
		if strings.HasPrefix(text, "arn:") {
			if x, ok := fromARN(text); ok {
				add(x)
			}
			return
		}
		if typ, named := parameterType(service, name); typ != "" && text != "" && len(text) <= 512 {
			if named {
				add(sdk.Target{ResourceType: typ, Name: text})
			} else {
				add(sdk.Target{ResourceType: typ, ResourceID: text})
			}
		}
	}
}

// fromARN names the resource of an ARN by AWS Config's type; arn:partition:service:region:account:rest.
func fromARN(arn string) (sdk.Target, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return sdk.Target{}, false
	}
	service, region, account, rest := parts[2], parts[3], parts[4], parts[5]
	kind, id := "", rest
	if i := strings.IndexAny(rest, ":/"); i >= 0 {
		kind, id = rest[:i], rest[i+1:]
	}
	x := sdk.Target{AccountID: account, Region: region}
	switch service {
	case "s3":
		bucket, key, isObject := strings.Cut(rest, "/")
		if bucket == "" || bucket == "*" {
			return x, false
		}
		x.ResourceType, x.ResourceID = "AWS::S3::Bucket", bucket
		if isObject && key != "" && key != "*" {
			x.ResourceType, x.ResourceID = "AWS::S3::Object", rest
		}
		return x, true
	case "iam":
		typ := map[string]string{"user": "AWS::IAM::User", "role": "AWS::IAM::Role", "group": "AWS::IAM::Group", "policy": "AWS::IAM::Policy", "instance-profile": "AWS::IAM::InstanceProfile"}[kind]
		if typ == "" {
			return x, false
		}
		// Config's ids of IAM are the unique ones (AIDA…); an ARN tells the name.
		x.ResourceType, x.Name = typ, id[strings.LastIndexByte(id, '/')+1:]
		return x, true
	case "sns":
		x.ResourceType, x.ResourceID = "AWS::SNS::Topic", arn
		return x, true
	case "sqs":
		x.ResourceType, x.ResourceID, x.Name = "AWS::SQS::Queue", arn, rest
		return x, true
	}
	typ := arnTypes[service+"/"+kind]
	if typ == "" {
		return x, false
	}
	x.ResourceType, x.ResourceID = typ, id
	switch typ {
	case "AWS::Lambda::Function":
		// function:name:qualifier
		x.ResourceID, _, _ = strings.Cut(id, ":")
		x.Name = x.ResourceID
	case "AWS::SecretsManager::Secret", "AWS::CloudFormation::Stack", "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ACM::Certificate":
		x.ResourceID, x.Name = arn, id
	case "AWS::CloudTrail::Trail":
		x.ResourceID, x.Name = arn, id
	case "AWS::DynamoDB::Table", "AWS::KMS::Key":
		x.ResourceID, _, _ = strings.Cut(id, "/")
	}
	return x, true
}

// parse is how the reader of a format turns a value into a record.
type parse func(raw []byte) (kind sdk.Kind, record []byte, err error)

// format is how files of a format are read.
type format struct {
	// lists are the members of envelopes that hold the records.
	lists []string
	parse parse
}

var parsers = map[string]format{
	"cloudtrail": {[]string{"Records"}, cloudTrail},
	"aws-config": {[]string{"configurationItems"}, configItem},
	"regent":     {nil, regentRecord},
}

// regentRecord takes a record that is in Regent's form already.
func regentRecord(raw []byte) (sdk.Kind, []byte, error) {
	if !gjson.ValidBytes(raw) {
		return sdk.KindItem, nil, errors.New("not valid JSON")
	}
	rec := gjson.ParseBytes(raw)
	switch {
	case rec.Get("kind").Str == "event" && rec.Get("event").IsObject():
		return sdk.KindEvent, []byte(rec.Get("event").Raw), nil
	case rec.Get("kind").Str == "item" && rec.Get("item").IsObject():
		return sdk.KindItem, []byte(rec.Get("item").Raw), nil
	case rec.Get("resourceType").Exists():
		return sdk.KindItem, bytes.Clone(raw), nil
	case rec.Get("source").Exists():
		return sdk.KindEvent, compact(raw), nil
	}
	return sdk.KindItem, nil, errors.New("neither an item (with resourceType) nor an event (with source)")
}
