package main

import (
	"github.com/regent-dev/regent/plugins/collector-files/internal/awsconfig"
	"github.com/regent-dev/regent/plugins/collector-files/internal/cloudtrail"
	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
	"github.com/regent-dev/regent/plugins/collector-files/internal/own"
	"github.com/regent-dev/regent/sdk"
)

// parsed is one record that a value of a file gave, or why a part of it gave none.
type parsed struct {
	kind sdk.Kind
	json []byte
	raw  []byte
	err  error
}

// format is how files of a format are read.
type format struct {
	// lists are the members of envelopes that hold the records.
	lists []string
	// parser returns a function that turns a value into records. The function keeps working memory and
	// is used by one goroutine.
	parser func() func(raw []byte) []parsed
}

var formats = map[string]format{
	"cloudtrail": {[]string{"Records"}, func() func([]byte) []parsed {
		var m cloudtrail.Mapper
		return func(raw []byte) []parsed {
			return one(raw, sdk.KindEvent, func(lines bool) ([]byte, sdk.Kind, error) {
				b, err := m.Append(make([]byte, 0, len(raw)+768), raw, lines)
				if cloudtrail.IsNoRecord(err) {
					// A digest of log files lies beside the logs and holds nothing to record.
					return nil, sdk.KindEvent, nil
				}
				return b, sdk.KindEvent, err
			})
		}
	}},
	"aws-config": {[]string{"configurationItems"}, func() func([]byte) []parsed {
		m := awsconfig.New()
		return func(raw []byte) (out []parsed) {
			if _, err := check(raw); err != nil {
				return []parsed{{sdk.KindItem, nil, raw, err}}
			}
			err := m.Map(raw, func(json, raw []byte, err error) { out = append(out, parsed{sdk.KindItem, json, raw, err}) })
			if err != nil {
				out = append(out, parsed{sdk.KindItem, nil, raw, err})
			}
			return out
		}
	}},
	"regent": {nil, func() func([]byte) []parsed {
		return func(raw []byte) []parsed {
			return one(raw, sdk.KindItem, func(lines bool) ([]byte, sdk.Kind, error) { return own.Append(nil, raw, lines) })
		}
	}},
}

// check reports whether raw is one JSON value, and whether it holds line breaks.
func check(raw []byte) (lines bool, err error) {
	n, lines, err := jsontext.Scan(raw)
	if err == nil && n != len(raw) {
		err = errBroken
	}
	return lines, err
}

// one turns a value into the one record that it is.
func one(raw []byte, kind sdk.Kind, fn func(lines bool) ([]byte, sdk.Kind, error)) []parsed {
	lines, err := check(raw)
	if err != nil {
		return []parsed{{kind, nil, raw, err}}
	}
	b, kind, err := fn(lines)
	if b == nil && err == nil {
		return nil
	}
	return []parsed{{kind, b, raw, err}}
}
