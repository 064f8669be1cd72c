package awsconfig

import (
	"testing"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// TestOwn gives back items that Regent wrote as they were, whatever an item of AWS Config would be made of.
func TestOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{
			"names are put back", `{"awsAccountId":"1","ARN":"a","awsRegion":"r","resourceType":"T","resourceId":"x","regentItem":{"awsAccountId":"accountId","ARN":"arn","awsRegion":"region"}}`,
			`{"accountId":"1","arn":"a","region":"r","resourceType":"T","resourceId":"x"}`,
		},
		{
			"nothing else is put right", `{"resourceType":"aws::ec2::volume","resourceId":"x","configuration":"{\"a\":1}","relationships":[1],"tags":{"a":null},"arn":"","configurationItemDiff":{},"messageType":"M","regentItem":{}}`,
			`{"resourceType":"aws::ec2::volume","resourceId":"x","configuration":"{\"a\":1}","relationships":[1],"tags":{"a":null},"arn":"","configurationItemDiff":{},"messageType":"M"}`,
		},
		{
			"an item with a member of the mark's name", `{"resourceType":"T","resourceId":"x","regentItem-1":{"y":1},"regentItem":{"regentItem-1":"regentItem"}}`,
			`{"resourceType":"T","resourceId":"x","regentItem":{"y":1}}`,
		},
		{
			"an item that holds others", `{"resourceType":"T","resourceId":"x","configurationItem":{"resourceType":"U","resourceId":"y"},"regentItem":{}}`,
			`{"resourceType":"T","resourceId":"x","configurationItem":{"resourceType":"U","resourceId":"y"}}`,
		},
		{"only the mark", `{"regentItem":{}}`, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			err := New().Map([]byte(c.in), func(json, _ []byte, err error) {
				if n++; string(json) != c.want || err != nil {
					t.Errorf("got %s, %v", json, err)
				}
			})
			if err != nil || n != 1 {
				t.Errorf("%d items, %v", n, err)
			}
		})
	}
	err := New().Map([]byte(`{"resourceType":"T","resourceId":"x","regentItem":{"a":1}}`), func(_, _ []byte, err error) {
		if err == nil {
			t.Error("a damaged mark is taken")
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzOwn(f *testing.F) {
	for _, s := range []string{`{"a":1,"regentItem":{"a":"b"}}`, `{"regentItem":{"regentItem":"x"}}`, `{"regentItem":{"a":{}}}`, `{"regentItem":7}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if n, _, err := jsontext.Scan(in); err != nil || n != len(in) {
			return
		}
		got, found, err := own(in)
		if !found || err != nil {
			return
		}
		if n, _, err := jsontext.Scan(got); err != nil || n != len(got) {
			t.Fatalf("%s became %s, which is no JSON: %v", in, got, err)
		}
	})
}
