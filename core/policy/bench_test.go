package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
)

// volumePolicy is of the size and manner of most policies: a few conditions, a message, a parameter,
// a loop.
const volumePolicy = `# METADATA
# title: Volumes are encrypted and of a known state
# description: An unencrypted volume exposes its data to whoever gets at the disk.
# custom:
#   severity: high
#   resource_types: [Test::Volume]
#   requires: [/configuration/encrypted]
#   parameters: {properties: {states: {type: array, items: {type: string}, default: [available, in-use]}}}
#   controls: {cis-aws-3.0.0: ["2.2.1"], pci-dss-4.0: ["3.5.1"]}
#   remediation: Create an encrypted snapshot, make a volume from it, swap them.
package compliance.test.%s

deny contains {"msg": $"volume {input.resource.resourceId} is not encrypted", "path": "/configuration/encrypted"} if {
	not input.resource.configuration.encrypted
}

deny contains {"msg": $"state is {input.resource.configuration.state}", "path": "/configuration/state"} if {
	not input.resource.configuration.state in input.parameters.states
}

deny contains {"msg": $"attached to {a.instanceId} without a device", "path": $"/configuration/attachments/{i}"} if {
	some i, a in input.resource.configuration.attachments
	not a.device
}

not_applicable if input.resource.configuration.state == "deleting"
`

func volumeItem(t testing.TB, encrypted bool) (*policy.Value, []byte) {
	body := []byte(fmt.Sprintf(`{"accountId":"123456789012","region":"eu-central-1","resourceType":"Test::Volume","resourceId":"vol-1","configuration":{"attachments":[{"device":"/dev/sda","instanceId":"i-1"},{"device":"/dev/sdb","instanceId":"i-2"}],"encrypted":%t,"kmsKeyId":null,"size":100,"state":"in-use"},"tags":{"team":"storage"},"relationships":[{"resourceType":"Test::Instance","resourceId":"i-1"}]}`, encrypted))
	return parse(t, string(body)), body
}

// BenchmarkJudge compares judging with OPA's own prepared query for the same set, over the same
// parsed input. The budget is 1.3 times the latter.
func BenchmarkJudge(b *testing.B) {
	p := one(b, fmt.Sprintf(volumePolicy, "bench"), func(o *policy.Options) { o.Schemas = schemas(b) })
	for _, encrypted := range []bool{true, false} {
		name := map[bool]string{true: "compliant", false: "denied"}[encrypted]
		item, body := volumeItem(b, encrypted)
		b.Run(name+"/regent", func(b *testing.B) {
			s := policy.Subject{Key: record.Key{ResourceType: "Test::Volume", ResourceID: "vol-1"}, Resource: item, Time: noon, ItemHash: "x"}
			b.ReportAllocs()
			for b.Loop() {
				if v := p.Judge(context.Background(), s, nil); (len(v.Denials) > 0) == encrypted {
					b.Fatal(show(v))
				}
			}
		})
		for _, q := range []string{"data.compliance.test.bench.deny", "data.compliance.test.bench"} {
			b.Run(name+"/bare "+q, func(b *testing.B) {
				pq, err := rego.New(rego.Query(q), rego.Module("p.rego", fmt.Sprintf(volumePolicy, "bench"))).PrepareForEval(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				var resource, parameters any
				decode(b, body, &resource)
				decode(b, []byte(p.Parameters), &parameters)
				input := must(ast.InterfaceToValue(map[string]any{"resource": resource, "previous": nil, "parameters": parameters}))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := pq.Eval(context.Background(), rego.EvalParsedInput(input), rego.EvalTime(noon)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func decode(t testing.TB, b []byte, v any) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
}

func hundred() []policy.File {
	var files []policy.File
	for i := range 100 {
		name := fmt.Sprintf("p%03d", i)
		files = append(files,
			file("compliance/test/"+name+"/policy.rego", fmt.Sprintf(volumePolicy, name)),
			file("compliance/test/"+name+"/policy_test.rego", strings.ReplaceAll(volumeTest, "NAME", name)))
	}
	return files
}

const volumeTest = `package compliance.test.NAME_test

import data.compliance.test.NAME

volume(state) := {"resource": {"resourceId": "vol-1", "configuration": {"encrypted": false, "state": state}}, "parameters": {"states": ["in-use"]}}

test_hit if count(NAME.deny) == 1 with input as volume("in-use")

test_clean if count(NAME.deny) == 0 with input as {"resource": {"configuration": {"encrypted": true, "state": "in-use"}}, "parameters": {"states": ["in-use"]}}
`

// BenchmarkCompile is a reload of a hundred policies with their tests: from nothing, and with one
// edited since the last generation. The budget is 250 ms.
func BenchmarkCompile(b *testing.B) {
	files, opt := hundred(), policy.Options{Schemas: schemas(b)}
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ps := policy.Compile(context.Background(), files, opt); ps.HasErrors() {
				b.Fatal(ps.Err())
			}
		}
	})
	b.Run("one edited", func(b *testing.B) {
		opt := opt
		opt.Cache = policy.NewCache()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			files[0].Bytes = []byte(fmt.Sprintf(volumePolicy, "p000") + fmt.Sprintf("\ndeny contains \"%d\" if input.resource.configuration.size == %[1]d\n", i))
			if _, ps := policy.Compile(context.Background(), files, opt); ps.HasErrors() {
				b.Fatal(ps.Err())
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	_, body := volumeItem(b, true)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := policy.Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMatch is one event against an alarm that matches it, and the same by OPA's own prepared
// query.
func BenchmarkMatch(b *testing.B) {
	text := head("alarms.x") + `alarm contains {"msg": $"{input.event.actor.id} was refused", "key": input.event.actor.id} if {
	input.event.source == "aws.cloudtrail"
	input.event.error.code in {"AccessDenied", "Client.UnauthorizedOperation"}
}
`
	p := one(b, text)
	event := parse(b, `{"id":"1","source":"aws.cloudtrail","action":"s3:GetObject","outcome":"failure","error":{"code":"AccessDenied"},"actor":{"type":"AssumedRole","id":"AROA"},"origin":{"address":"10.0.0.1"},"targets":[],"accountId":"123456789012","region":"eu-central-1","detail":{}}`)
	b.Run("regent", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if m, err := p.Match(context.Background(), event, noon); len(m) != 1 {
				b.Fatal(m, err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		pq, err := rego.New(rego.Query("data.alarms.x.alarm"), rego.Module("p.rego", text)).PrepareForEval(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		var e any
		decode(b, []byte(event.String()), &e)
		input := must(ast.InterfaceToValue(map[string]any{"event": e, "parameters": map[string]any{}}))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := pq.Eval(context.Background(), rego.EvalParsedInput(input), rego.EvalTime(noon)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
