package query

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
)

func FuzzRow(f *testing.F) {
	for _, s := range []string{`[]`, `[1]`, `[1,"a,]\"",{"b":[2,3]},null]`, `[[[]]]`, `{`, `[1,`, `"a"`, ` [ 1 , 2 ] `, `["\\"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var want []json.RawMessage
		wantErr := json.Unmarshal(line, &want)
		got, err := DecodeRow(line, len(want))
		if wantErr != nil || want == nil {
			if err == nil {
				t.Errorf("%q is no row and was taken", line)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for i := range want {
			if string(want[i]) != string(got[i]) {
				t.Errorf("%q: value %d is %s, not %s", line, i, want[i], got[i])
			}
		}
	})
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text  string
		count int64
	}{
		"no end": {`[1]`, 1}, "fewer": {"[1]\n", 2}, "more": {"[1]\n[2]\n", 1}, "too wide": {"[1,2]\n", 1}, "no array": {"1\n", 1},
	} {
		if _, err := decode([]byte(tt.text), tt.count, 1); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestColumns holds the documented columns of the files against the row types.
func TestColumns(t *testing.T) {
	t.Parallel()
	for name, row := range map[table.Name]any{
		table.Items: table.Item{}, table.Events: table.Event{}, table.Verdicts: table.Verdict{}, table.Findings: table.Finding{},
		table.Alarms: table.Alarm{}, table.Causes: table.Cause{}, table.Deliveries: table.Delivery{}, table.Quarantines: table.Quarantine{}, table.Gaps: table.Gap{},
	} {
		var want, got []string
		for f := range reflect.TypeOf(row).Fields() {
			column, typ := sqlColumn(f)
			want = append(want, column+" "+typ)
		}
		for _, c := range files[name] {
			got = append(got, c.Name+" "+c.Type)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-row type +documented):\n%s", name, diff)
		}
	}
	if len(files) != len(table.Names) {
		t.Errorf("%d tables are documented, there are %d", len(files), len(table.Names))
	}
}

// sqlColumn reads a field's tag as parquet-go does.
func sqlColumn(f reflect.StructField) (name, typ string) {
	name, options, _ := strings.Cut(f.Tag.Get("parquet"), ",")
	switch t := f.Type; {
	case strings.Contains(options, "timestamp"):
		return name, typeTime
	case t.Kind() == reflect.Int64:
		return name, typeNumber
	case t.Kind() == reflect.String:
		return name, typeText
	case t.Kind() == reflect.Map:
		return name, typeMap
	case t == reflect.TypeFor[[]byte]() && strings.Contains(options, "json"):
		return name, typeJSON
	case t == reflect.TypeFor[[]byte]():
		return name, typeBytes
	case t.Elem().Kind() == reflect.String:
		return name, typeTexts
	default:
		var parts []string
		for sub := range t.Elem().Fields() {
			n, typ := sqlColumn(sub)
			parts = append(parts, `"`+n+`" `+typ)
		}
		return name, "STRUCT(" + strings.Join(parts, ", ") + ")[]"
	}
}
