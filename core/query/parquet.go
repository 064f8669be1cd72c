package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
)

// leaf is how a column stands in a Parquet file.
type leaf struct {
	goType  reflect.Type
	options string
	value   func(text string) (parquet.Value, error)
}

func bytesValue(s string) (parquet.Value, error) { return parquet.ByteArrayValue([]byte(s)), nil }

// leafOf chooses by the type in SQL. What has no type of its own in Parquet is JSON, numbers beyond 64
// bits are DOUBLE, as DuckDB writes them.
func leafOf(typ string) leaf {
	switch typ {
	case "BOOLEAN":
		return leaf{reflect.TypeFor[bool](), "", func(s string) (parquet.Value, error) { return parquet.BooleanValue(s == "true"), nil }}
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER":
		return leaf{reflect.TypeFor[int64](), "", func(s string) (parquet.Value, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			return parquet.Int64Value(n), err
		}}
	case "FLOAT", "DOUBLE", "HUGEINT", "UHUGEINT", "UBIGINT":
		return leaf{reflect.TypeFor[float64](), "", doubleValue}
	case "TIMESTAMP WITH TIME ZONE":
		return leaf{reflect.TypeFor[int64](), ",timestamp(microsecond)", func(s string) (parquet.Value, error) {
			t, err := time.Parse(time.RFC3339, s)
			return parquet.Int64Value(t.UnixMicro()), err
		}}
	case "TIMESTAMP":
		return leaf{reflect.TypeFor[int64](), ",timestamp(microsecond:local)", func(s string) (parquet.Value, error) {
			t, err := time.Parse(time.RFC3339, s+"Z")
			return parquet.Int64Value(t.UnixMicro()), err
		}}
	case "DATE":
		return leaf{reflect.TypeFor[int32](), ",date", func(s string) (parquet.Value, error) {
			t, err := time.Parse(time.DateOnly, s)
			return parquet.Int32Value(int32(t.Unix() / 86400)), err
		}}
	case "BLOB":
		return leaf{reflect.TypeFor[[]byte](), "", func(s string) (parquet.Value, error) {
			b, err := unbase64(s)
			return parquet.ByteArrayValue(b), err
		}}
	}
	switch {
	case strings.HasPrefix(typ, "DECIMAL("):
		return leaf{reflect.TypeFor[float64](), "", doubleValue}
	case typ == "JSON" || strings.HasSuffix(typ, "]") || strings.HasPrefix(typ, "STRUCT(") || strings.HasPrefix(typ, "MAP("):
		return leaf{reflect.TypeFor[[]byte](), ",json", bytesValue}
	}
	return leaf{reflect.TypeFor[string](), "", bytesValue}
}

func doubleValue(s string) (parquet.Value, error) {
	f, err := strconv.ParseFloat(s, 64)
	return parquet.DoubleValue(f), err
}

// rowGroup is after how many rows what was written leaves memory.
const rowGroup = 50_000

func writeParquet(w io.Writer, columns []Column, rows Rows) error {
	var fields []reflect.StructField
	var leaves []leaf
	for i, name := range unique(columns) {
		l := leafOf(columns[i].Type)
		leaves = append(leaves, l)
		// A comma would end the name in the tag.
		name = strings.ReplaceAll(name, ",", "_")
		tag := reflect.StructTag("parquet:" + strconv.Quote(name+",optional"+l.options))
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: l.goType, Tag: tag})
	}
	schema := parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface())
	out := parquet.NewGenericWriter[any](w, schema, parquet.Compression(&parquet.Zstd))
	n := 0
	for {
		some, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		batch := make([]parquet.Row, 0, len(some))
		for _, r := range some {
			row := make(parquet.Row, len(r))
			for i, v := range r {
				if row[i], err = leaves[i].of(v, i); err != nil {
					return fmt.Errorf("column %q: %w", columns[i].Name, err)
				}
			}
			batch = append(batch, row)
		}
		if _, err := out.WriteRows(batch); err != nil {
			return err
		}
		if n += len(some); n >= rowGroup {
			n = 0
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func (l leaf) of(v json.RawMessage, column int) (parquet.Value, error) {
	text, ok := plain(v)
	if !ok {
		return parquet.NullValue().Level(0, 0, column), nil
	}
	if l.options == ",json" {
		text = string(v)
	}
	out, err := l.value(text)
	return out.Level(0, 1, column), err
}
