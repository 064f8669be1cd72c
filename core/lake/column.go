package lake

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/parquet-go/parquet-go"
)

// groupColumns reads single columns of a row group. It is used by one goroutine.
type groupColumns struct {
	file  *parquet.File
	group parquet.RowGroup
	// pages are those of flat columns that were read: where rows are clustered, those that are wanted one
	// after the other stand far apart.
	pages map[pageOf]*flatPage
}

// pageOf is a page of a column.
type pageOf struct {
	column string
	page   int
}

// flatPage is a page of a column that has one value a row.
type flatPage struct {
	first  int64
	values []parquet.Value
}

var errColumn = errors.New("there is no such column")

func (c *groupColumns) chunk(path ...string) (parquet.ColumnChunk, error) {
	leaf, ok := c.file.Schema().Lookup(path...)
	if !ok {
		return nil, fmt.Errorf("%w: %v", errColumn, path)
	}
	return c.group.ColumnChunks()[leaf.ColumnIndex], nil
}

// bounds returns the least and the greatest value of a column of numbers.
func (c *groupColumns) bounds(name string) (lo, hi int64, err error) {
	chunk, err := c.chunk(name)
	if err != nil {
		return 0, 0, err
	}
	index, err := chunk.ColumnIndex()
	if err != nil {
		return 0, 0, err
	}
	for i := range index.NumPages() {
		least, most := index.MinValue(i).Int64(), index.MaxValue(i).Int64()
		if i == 0 {
			lo, hi = least, most
		}
		lo, hi = min(lo, least), max(hi, most)
	}
	return lo, hi, nil
}

// may reports whether any row may fulfil a condition, as far as the filters know.
func (c *groupColumns) may(cond *condition) (bool, error) {
	if !cond.bloom {
		return true, nil
	}
	value := parquet.ValueOf(cond.value)
	for _, path := range cond.columns {
		chunk, err := c.chunk(path...)
		if err != nil {
			return false, err
		}
		filter := chunk.BloomFilter()
		if filter == nil {
			return true, nil
		}
		if has, err := filter.Check(value); err != nil || has {
			return has, err
		}
	}
	return false, nil
}

// match returns the rows that fulfil a condition, in order; of these rows only where among is set.
func (c *groupColumns) match(cond *condition, rows []int64, among bool) ([]int64, error) {
	var found []int64
	for _, path := range cond.columns {
		in, err := c.equal(path, []byte(cond.value))
		if err != nil {
			return nil, err
		}
		found = append(found, in...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if !among {
		return found, nil
	}
	return slices.DeleteFunc(found, func(row int64) bool { _, has := slices.BinarySearch(rows, row); return !has }), nil
}

// equal returns the rows in which a column has a value, several times where a row has it several times.
func (c *groupColumns) equal(path []string, value []byte) ([]int64, error) {
	chunk, err := c.chunk(path...)
	if err != nil {
		return nil, err
	}
	index, err := chunk.ColumnIndex()
	if err != nil {
		return nil, err
	}
	offsets, err := chunk.OffsetIndex()
	if err != nil {
		return nil, err
	}
	var rows []int64
	pages := chunk.Pages()
	defer pages.Close()
	buf := make([]parquet.Value, 512)
	at := int64(0)
	for i := range index.NumPages() {
		// The bounds may be cut short, the upper one never below the value that it bounds.
		if index.NullPage(i) || bytesLess(value, index.MinValue(i).ByteArray()) || bytesLess(index.MaxValue(i).ByteArray(), value) {
			continue
		}
		first := offsets.FirstRowIndex(i)
		if first != at {
			if err := pages.SeekToRow(first); err != nil {
				return nil, err
			}
		}
		page, err := pages.ReadPage()
		if err != nil {
			return nil, err
		}
		at = first + page.NumRows()
		rows, err = equalIn(page, first, value, buf, rows)
		parquet.Release(page)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func bytesLess(a, b []byte) bool { return slices.Compare(a, b) < 0 }

// equalIn appends the rows of a page that have a value. Where the page has a dictionary the value is looked
// for there first.
func equalIn(page parquet.Page, first int64, value []byte, buf []parquet.Value, rows []int64) ([]int64, error) {
	values := page.Values()
	row := first - 1
	for {
		n, err := values.ReadValues(buf)
		for _, v := range buf[:n] {
			if v.RepetitionLevel() == 0 {
				row++
			}
			if !v.IsNull() && string(v.ByteArray()) == string(value) {
				rows = append(rows, row)
			}
		}
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// numbers returns all values of a column of numbers.
func (c *groupColumns) numbers(name string) ([]int64, error) {
	chunk, err := c.chunk(name)
	if err != nil {
		return nil, err
	}
	out := make([]int64, 0, c.group.NumRows())
	pages := chunk.Pages()
	defer pages.Close()
	buf := make([]parquet.Value, 512)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		values := page.Values()
		for {
			n, err := values.ReadValues(buf)
			for _, v := range buf[:n] {
				out = append(out, v.Int64())
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				parquet.Release(page)
				return nil, err
			}
		}
		parquet.Release(page)
	}
	if int64(len(out)) != c.group.NumRows() {
		return nil, fmt.Errorf("column %s has %d values for %d rows", name, len(out), c.group.NumRows())
	}
	return out, nil
}

// value returns the value of a flat column in a row. It belongs to c.
func (c *groupColumns) value(name string, row int64) ([]byte, error) {
	v, err := c.flat(name, row)
	return v.ByteArray(), err
}

func (c *groupColumns) value64(name string, row int64) (int64, error) {
	v, err := c.flat(name, row)
	return v.Int64(), err
}

// flat reads a value of a column that has one a row. The page it is in stays at hand.
func (c *groupColumns) flat(name string, row int64) (parquet.Value, error) {
	chunk, err := c.chunk(name)
	if err != nil {
		return parquet.Value{}, err
	}
	offsets, err := chunk.OffsetIndex()
	if err != nil {
		return parquet.Value{}, err
	}
	n := sort.Search(offsets.NumPages(), func(i int) bool { return offsets.FirstRowIndex(i) > row }) - 1
	if n < 0 {
		return parquet.Value{}, fmt.Errorf("column %s has no page for row %d", name, row)
	}
	first := offsets.FirstRowIndex(n)
	at := pageOf{name, n}
	if p := c.pages[at]; p != nil {
		return p.value(name, row)
	}
	pages := chunk.Pages()
	defer pages.Close()
	if err := pages.SeekToRow(first); err != nil {
		return parquet.Value{}, err
	}
	page, err := pages.ReadPage()
	if err != nil {
		return parquet.Value{}, err
	}
	defer parquet.Release(page)
	p := &flatPage{first: first, values: make([]parquet.Value, page.NumValues())}
	for n, values := 0, page.Values(); n < len(p.values); {
		read, err := values.ReadValues(p.values[n:])
		if n += read; err != nil && n < len(p.values) {
			return parquet.Value{}, fmt.Errorf("column %s: %w", name, err)
		}
	}
	for i := range p.values {
		// The page's memory is given back.
		p.values[i] = p.values[i].Clone()
	}
	if c.pages == nil {
		c.pages = map[pageOf]*flatPage{}
	}
	c.pages[at] = p
	return p.value(name, row)
}

func (p *flatPage) value(name string, row int64) (parquet.Value, error) {
	if row-p.first >= int64(len(p.values)) {
		return parquet.Value{}, fmt.Errorf("column %s has no value for row %d", name, row)
	}
	return p.values[row-p.first], nil
}
