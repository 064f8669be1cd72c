package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/regent-dev/regent/core/diag"
)

// Query says how questions in SQL are answered, and what bounds one.
type Query struct {
	// Engine is the plugin: query-<engine>.
	Engine  string
	Memory  int64
	Threads int
	Timeout time.Duration
	MaxRows int64
	// MaxBytes bounds the result, Spill what a query may write for what does not fit into memory.
	MaxBytes, Spill int64
	// Concurrency is how many queries run at once.
	Concurrency int
	// Where is the block, nil where there is none.
	Where *diag.Range
}

// defaultQuery is what holds where the block does not say otherwise.
var defaultQuery = Query{
	Engine: "duckdb", Memory: 512 << 20, Threads: 2, Timeout: time.Minute, MaxRows: 10_000_000, MaxBytes: 4 << 30, Spill: 10 << 30, Concurrency: 2,
}

func (l *loader) query(b *hcl.Block) {
	var raw struct {
		Engine      hcl.Expression `hcl:"engine,optional"`
		Memory      hcl.Expression `hcl:"memory,optional"`
		Threads     hcl.Expression `hcl:"threads,optional"`
		Timeout     hcl.Expression `hcl:"timeout,optional"`
		MaxRows     hcl.Expression `hcl:"max_rows,optional"`
		MaxBytes    hcl.Expression `hcl:"max_bytes,optional"`
		Spill       hcl.Expression `hcl:"spill,optional"`
		Concurrency hcl.Expression `hcl:"concurrency,optional"`
	}
	where := Range(b.DefRange)
	q := &l.c.Query
	q.Where = &where
	if !l.decode(b, &raw) {
		return
	}
	if s, rng, ok := l.text(raw.Engine); ok {
		if !engineName.MatchString(s) {
			l.errorf(rng, "Invalid engine", "%q is no name of an engine; \"duckdb\" runs the plugin query-duckdb.", s)
		} else {
			q.Engine = s
		}
	}
	// DuckDB does nothing of use below.
	l.size(raw.Memory, "memory", 32<<20, &q.Memory)
	l.size(raw.MaxBytes, "max_bytes", 1, &q.MaxBytes)
	l.size(raw.Spill, "spill", 1<<20, &q.Spill)
	l.duration(raw.Timeout, "timeout", &q.Timeout)
	if _, rng, ok := l.text(raw.Timeout); ok && (q.Timeout < time.Second || q.Timeout > 24*time.Hour) {
		l.errorf(rng, "Invalid timeout", "A query may take from 1s to 24h.")
	}
	var threads, concurrency int64 = int64(q.Threads), int64(q.Concurrency)
	l.whole(raw.Threads, "threads", 256, &threads)
	l.whole(raw.Concurrency, "concurrency", 64, &concurrency)
	l.whole(raw.MaxRows, "max_rows", math.MaxInt64, &q.MaxRows)
	q.Threads, q.Concurrency = int(threads), int(concurrency)
}

var engineName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// whole reads a whole number from 1 on.
func (l *loader) whole(e hcl.Expression, name string, most int64, to *int64) {
	if e == nil {
		return
	}
	v, diags := e.Value(l.eval)
	if diags.HasErrors() {
		l.add(diags)
		return
	}
	if v.IsNull() || !v.IsKnown() {
		return
	}
	var n int64
	if v.IsMarked() || v.Type() != cty.Number || gocty.FromCtyValue(v, &n) != nil || n < 1 || n > most {
		l.errorf(e.Range(), "Invalid "+name, "%s is a whole number from 1 to %d.", name, most)
		return
	}
	*to = n
}

// size reads a number of bytes.
func (l *loader) size(e hcl.Expression, name string, least int64, to *int64) {
	s, rng, ok := l.text(e)
	if !ok {
		return
	}
	n, err := ParseSize(s)
	if err == nil && n < least {
		err = fmt.Errorf("it is at least %d bytes", least)
	}
	if err != nil {
		l.errorf(rng, "Invalid size", "%s: %v.", name, err)
		return
	}
	*to = n
}

var sizeForm = regexp.MustCompile(`^([0-9]+)\s*(B|KiB|MiB|GiB|TiB)$`)

// ParseSize reads a number of bytes with its unit: "512MiB".
func ParseSize(s string) (int64, error) {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no size, such as \"512MiB\" or \"10GiB\"", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	unit := int64(1) << map[string]int{"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}[m[2]]
	if err != nil || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is too much", s)
	}
	return n * unit, nil
}
