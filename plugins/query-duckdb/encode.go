//go:build cgo

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// encoder turns the chunks of a result into lines of JSON.
type encoder struct {
	described []*pluginv1.QueryColumn
	columns   []*kind
	vectors   []vector
	buf       []byte
}

// kind is a type as the encoder needs it.
type kind struct {
	id       duckdb.Type
	json     bool
	scale    int
	internal duckdb.Type
	names    []string
	size     int
	children []*kind
}

// vector is a part of a column with where its values are.
type vector struct {
	*kind
	data     unsafe.Pointer
	validity unsafe.Pointer
	children []vector
}

func newEncoder(res *duckdb.Result) (*encoder, error) {
	e := &encoder{}
	for i := range duckdb.ColumnCount(res) {
		t := duckdb.ColumnLogicalType(res, i)
		k, name, err := kindOf(t)
		duckdb.DestroyLogicalType(&t)
		column := duckdb.ColumnName(res, i)
		if err != nil {
			return nil, &sdk.QueryError{Kind: sdk.QuerySyntax, Message: fmt.Sprintf("column %q: %v", column, err)}
		}
		e.columns = append(e.columns, k)
		e.described = append(e.described, &pluginv1.QueryColumn{Name: strings.ToValidUTF8(column, "\uFFFD"), Type: name})
	}
	return e, nil
}

// names are the names of the plain types.
var names = map[duckdb.Type]string{
	duckdb.TypeBoolean: "BOOLEAN", duckdb.TypeTinyInt: "TINYINT", duckdb.TypeSmallInt: "SMALLINT", duckdb.TypeInteger: "INTEGER",
	duckdb.TypeBigInt: "BIGINT", duckdb.TypeUTinyInt: "UTINYINT", duckdb.TypeUSmallInt: "USMALLINT", duckdb.TypeUInteger: "UINTEGER",
	duckdb.TypeUBigInt: "UBIGINT", duckdb.TypeFloat: "FLOAT", duckdb.TypeDouble: "DOUBLE", duckdb.TypeTimestamp: "TIMESTAMP",
	duckdb.TypeDate: "DATE", duckdb.TypeTime: "TIME", duckdb.TypeInterval: "INTERVAL", duckdb.TypeHugeInt: "HUGEINT",
	duckdb.TypeUHugeInt: "UHUGEINT", duckdb.TypeVarchar: "VARCHAR", duckdb.TypeBlob: "BLOB", duckdb.TypeTimestampS: "TIMESTAMP_S",
	duckdb.TypeTimestampMS: "TIMESTAMP_MS", duckdb.TypeTimestampNS: "TIMESTAMP_NS", duckdb.TypeUUID: "UUID",
	duckdb.TypeTimestampTZ: "TIMESTAMP WITH TIME ZONE", duckdb.TypeSQLNull: "NULL",
}

// kindOf reads a type and its name in SQL.
func kindOf(t duckdb.LogicalType) (*kind, string, error) {
	k := &kind{id: duckdb.GetTypeId(t)}
	child := func(c duckdb.LogicalType) (string, error) {
		defer duckdb.DestroyLogicalType(&c)
		ck, name, err := kindOf(c)
		k.children = append(k.children, ck)
		return name, err
	}
	switch k.id {
	case duckdb.TypeVarchar:
		if duckdb.LogicalTypeGetAlias(t) == "JSON" {
			k.json = true
			return k, "JSON", nil
		}
	case duckdb.TypeDecimal:
		k.scale, k.internal = int(duckdb.DecimalScale(t)), duckdb.DecimalInternalType(t)
		return k, fmt.Sprintf("DECIMAL(%d,%d)", duckdb.DecimalWidth(t), k.scale), nil
	case duckdb.TypeEnum:
		k.internal = duckdb.EnumInternalType(t)
		for i := range duckdb.EnumDictionarySize(t) {
			k.names = append(k.names, duckdb.EnumDictionaryValue(t, duckdb.IdxT(i)))
		}
		return k, "VARCHAR", nil
	case duckdb.TypeList:
		name, err := child(duckdb.ListTypeChildType(t))
		return k, name + "[]", err
	case duckdb.TypeArray:
		k.size = int(duckdb.ArrayTypeArraySize(t))
		name, err := child(duckdb.ArrayTypeChildType(t))
		return k, fmt.Sprintf("%s[%d]", name, k.size), err
	case duckdb.TypeMap:
		key, err := child(duckdb.MapTypeKeyType(t))
		if err != nil {
			return k, "", err
		}
		value, err := child(duckdb.MapTypeValueType(t))
		return k, fmt.Sprintf("MAP(%s, %s)", key, value), err
	case duckdb.TypeStruct:
		var parts []string
		for i := range duckdb.StructTypeChildCount(t) {
			k.names = append(k.names, duckdb.StructTypeChildName(t, i))
			name, err := child(duckdb.StructTypeChildType(t, i))
			if err != nil {
				return k, "", err
			}
			parts = append(parts, quote(k.names[i])+" "+name)
		}
		return k, "STRUCT(" + strings.Join(parts, ", ") + ")", nil
	}
	name, ok := names[k.id]
	if !ok {
		return k, "", fmt.Errorf("its type has no form in the result; cast it to VARCHAR")
	}
	return k, name, nil
}

// begin takes the next chunk.
func (e *encoder) begin(chunk duckdb.DataChunk) {
	e.vectors = e.vectors[:0]
	for i, k := range e.columns {
		e.vectors = append(e.vectors, vectorOf(k, duckdb.DataChunkGetVector(chunk, duckdb.IdxT(i))))
	}
}

func vectorOf(k *kind, v duckdb.Vector) vector {
	out := vector{kind: k, data: duckdb.VectorGetData(v), validity: duckdb.VectorGetValidity(v)}
	switch k.id {
	case duckdb.TypeList:
		out.children = []vector{vectorOf(k.children[0], duckdb.ListVectorGetChild(v))}
	case duckdb.TypeArray:
		out.children = []vector{vectorOf(k.children[0], duckdb.ArrayVectorGetChild(v))}
	case duckdb.TypeMap:
		// A map is a list of structs of key and value.
		entries := duckdb.ListVectorGetChild(v)
		for i, c := range k.children {
			out.children = append(out.children, vectorOf(c, duckdb.StructVectorGetChild(entries, duckdb.IdxT(i))))
		}
	case duckdb.TypeStruct:
		for i, c := range k.children {
			out.children = append(out.children, vectorOf(c, duckdb.StructVectorGetChild(v, duckdb.IdxT(i))))
		}
	}
	return out
}

// row adds a row of the chunk.
func (e *encoder) row(i int) error {
	e.buf = append(e.buf, '[')
	for c := range e.vectors {
		if c > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := e.value(&e.vectors[c], i); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, ']', '\n')
	return nil
}

// at reads the i-th value of a vector.
func at[T any](v *vector, i int) T {
	return *(*T)(unsafe.Add(v.data, uintptr(i)*unsafe.Sizeof(*new(T))))
}

func (e *encoder) value(v *vector, i int) error {
	if v.validity != nil && *(*uint64)(unsafe.Add(v.validity, i/64*8))&(1<<(i%64)) == 0 {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	switch v.id {
	case duckdb.TypeSQLNull:
		e.buf = append(e.buf, "null"...)
	case duckdb.TypeBoolean:
		e.buf = strconv.AppendBool(e.buf, at[bool](v, i))
	case duckdb.TypeTinyInt:
		e.int(int64(at[int8](v, i)))
	case duckdb.TypeSmallInt:
		e.int(int64(at[int16](v, i)))
	case duckdb.TypeInteger:
		e.int(int64(at[int32](v, i)))
	case duckdb.TypeBigInt:
		e.int(at[int64](v, i))
	case duckdb.TypeUTinyInt:
		e.int(int64(at[uint8](v, i)))
	case duckdb.TypeUSmallInt:
		e.int(int64(at[uint16](v, i)))
	case duckdb.TypeUInteger:
		e.int(int64(at[uint32](v, i)))
	case duckdb.TypeUBigInt:
		e.buf = strconv.AppendUint(e.buf, at[uint64](v, i), 10)
	case duckdb.TypeHugeInt:
		e.buf = huge(v, i, true).Append(e.buf, 10)
	case duckdb.TypeUHugeInt:
		e.buf = huge(v, i, false).Append(e.buf, 10)
	case duckdb.TypeFloat:
		e.float(float64(at[float32](v, i)), 32)
	case duckdb.TypeDouble:
		e.float(at[float64](v, i), 64)
	case duckdb.TypeDecimal:
		e.decimal(v, i)
	case duckdb.TypeVarchar:
		b := text(v, i)
		if v.json {
			return e.json(b)
		}
		return e.string(unsafe.String(unsafe.SliceData(b), len(b)))
	case duckdb.TypeBlob:
		e.buf = append(e.buf, '"')
		e.buf = base64.StdEncoding.AppendEncode(e.buf, text(v, i))
		e.buf = append(e.buf, '"')
	case duckdb.TypeUUID:
		e.uuid(v, i)
	case duckdb.TypeEnum:
		n := 0
		switch v.internal {
		case duckdb.TypeUTinyInt:
			n = int(at[uint8](v, i))
		case duckdb.TypeUSmallInt:
			n = int(at[uint16](v, i))
		default:
			n = int(at[uint32](v, i))
		}
		return e.string(v.names[n])
	case duckdb.TypeDate:
		days := at[int32](v, i)
		if days == math.MaxInt32 || days == -math.MaxInt32 {
			e.infinite(int64(days))
			break
		}
		e.time(time.Unix(int64(days)*86400, 0), "2006-01-02")
	case duckdb.TypeTime:
		e.time(time.UnixMicro(at[int64](v, i)), "15:04:05.000000")
	case duckdb.TypeTimestampTZ:
		e.stamp(at[int64](v, i), time.UnixMicro, "2006-01-02T15:04:05.000000Z")
	case duckdb.TypeTimestamp:
		e.stamp(at[int64](v, i), time.UnixMicro, "2006-01-02T15:04:05.000000")
	case duckdb.TypeTimestampMS:
		e.stamp(at[int64](v, i), time.UnixMilli, "2006-01-02T15:04:05.000")
	case duckdb.TypeTimestampS:
		e.stamp(at[int64](v, i), func(s int64) time.Time { return time.Unix(s, 0) }, "2006-01-02T15:04:05")
	case duckdb.TypeTimestampNS:
		e.stamp(at[int64](v, i), func(n int64) time.Time { return time.Unix(0, n) }, "2006-01-02T15:04:05.000000000")
	case duckdb.TypeInterval:
		x := at[struct {
			months, days int32
			micros       int64
		}](v, i)
		e.buf = fmt.Appendf(e.buf, `"P%dM%dDT%sS"`, x.months, x.days, strconv.FormatFloat(float64(x.micros)/1e6, 'f', -1, 64))
	default:
		return e.nested(v, i)
	}
	return nil
}

func (e *encoder) nested(v *vector, i int) error {
	switch v.id {
	case duckdb.TypeStruct:
		e.buf = append(e.buf, '{')
		for c := range v.children {
			if c > 0 {
				e.buf = append(e.buf, ',')
			}
			if err := e.string(v.names[c]); err != nil {
				return err
			}
			e.buf = append(e.buf, ':')
			if err := e.value(&v.children[c], i); err != nil {
				return err
			}
		}
		e.buf = append(e.buf, '}')
	case duckdb.TypeMap:
		entry := at[[2]uint64](v, i)
		keyed := v.kind.children[0].id == duckdb.TypeVarchar
		open, end := byte('['), byte(']')
		if keyed {
			open, end = '{', '}'
		}
		e.buf = append(e.buf, open)
		for n := range int(entry[1]) {
			if n > 0 {
				e.buf = append(e.buf, ',')
			}
			if !keyed {
				e.buf = append(e.buf, `{"key":`...)
			}
			if err := e.value(&v.children[0], int(entry[0])+n); err != nil {
				return err
			}
			if keyed {
				e.buf = append(e.buf, ':')
			} else {
				e.buf = append(e.buf, `,"value":`...)
			}
			if err := e.value(&v.children[1], int(entry[0])+n); err != nil {
				return err
			}
			if !keyed {
				e.buf = append(e.buf, '}')
			}
		}
		e.buf = append(e.buf, end)
	case duckdb.TypeList, duckdb.TypeArray:
		first, count := i*v.size, v.size
		if v.id == duckdb.TypeList {
			entry := at[[2]uint64](v, i)
			first, count = int(entry[0]), int(entry[1])
		}
		e.buf = append(e.buf, '[')
		for n := range count {
			if n > 0 {
				e.buf = append(e.buf, ',')
			}
			if err := e.value(&v.children[0], first+n); err != nil {
				return err
			}
		}
		e.buf = append(e.buf, ']')
	default:
		return fmt.Errorf("a value of type %d has no form in the result", int(v.id))
	}
	return nil
}

func (e *encoder) int(n int64) { e.buf = strconv.AppendInt(e.buf, n, 10) }

func (e *encoder) float(f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		// JSON has no number for them.
		e.buf = append(strconv.AppendFloat(append(e.buf, '"'), f, 'g', -1, bits), '"')
		return
	}
	e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, bits)
}

func (e *encoder) string(s string) error {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	if plain {
		e.buf = append(append(append(e.buf, '"'), s...), '"')
		return nil
	}
	b, err := json.Marshal(s)
	e.buf = append(e.buf, b...)
	return err
}

// json adds a value of the type JSON. What a file holds is not checked by DuckDB as it reads it.
func (e *encoder) json(b []byte) error {
	switch {
	case !json.Valid(b):
		return e.string(string(b))
	case bytes.IndexByte(b, '\n') < 0:
		e.buf = append(e.buf, b...)
		return nil
	}
	out := bytes.NewBuffer(e.buf)
	err := json.Compact(out, b)
	e.buf = out.Bytes()
	return err
}

func (e *encoder) time(t time.Time, layout string) {
	e.buf = append(e.buf, '"')
	e.buf = t.UTC().AppendFormat(e.buf, layout)
	e.buf = append(e.buf, '"')
}

func (e *encoder) stamp(n int64, of func(int64) time.Time, layout string) {
	if n == math.MaxInt64 || n == -math.MaxInt64 {
		e.infinite(n)
		return
	}
	e.time(of(n), layout)
}

func (e *encoder) infinite(sign int64) {
	if sign < 0 {
		e.buf = append(e.buf, `"-infinity"`...)
		return
	}
	e.buf = append(e.buf, `"infinity"`...)
}

func (e *encoder) uuid(v *vector, i int) {
	x := at[[2]uint64](v, i)
	var b [16]byte
	// DuckDB flips the first bit so that numbers sort as texts do.
	binary.BigEndian.PutUint64(b[:8], x[1]^1<<63)
	binary.BigEndian.PutUint64(b[8:], x[0])
	e.buf = fmt.Appendf(e.buf, `"%x-%x-%x-%x-%x"`, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (e *encoder) decimal(v *vector, i int) {
	var n *big.Int
	switch v.internal {
	case duckdb.TypeSmallInt:
		n = big.NewInt(int64(at[int16](v, i)))
	case duckdb.TypeInteger:
		n = big.NewInt(int64(at[int32](v, i)))
	case duckdb.TypeBigInt:
		n = big.NewInt(at[int64](v, i))
	default:
		n = huge(v, i, true)
	}
	if n.Sign() < 0 {
		e.buf = append(e.buf, '-')
	}
	digits := n.Abs(n).String()
	if pad := v.scale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	e.buf = append(e.buf, digits[:len(digits)-v.scale]...)
	if v.scale > 0 {
		e.buf = append(append(e.buf, '.'), digits[len(digits)-v.scale:]...)
	}
}

// huge reads a number of 128 bits.
func huge(v *vector, i int, signed bool) *big.Int {
	x := at[[2]uint64](v, i)
	n := new(big.Int).SetUint64(x[1])
	if signed {
		n.SetInt64(int64(x[1]))
	}
	return n.Add(n.Lsh(n, 64), new(big.Int).SetUint64(x[0]))
}

// text returns the bytes of a text or blob, which are DuckDB's: up to 12 stand in place, more behind a
// pointer.
func text(v *vector, i int) []byte {
	p := unsafe.Add(v.data, i*16)
	n := *(*uint32)(p)
	if n <= 12 {
		return unsafe.Slice((*byte)(unsafe.Add(p, 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Add(p, 8)), n)
}
