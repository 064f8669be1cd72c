package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Row is the values of a row as JSON, in the order of the columns.
type Row []json.RawMessage

// decode reads the rows of a message: a line for each, an array of its values. The rows share its
// memory.
func decode(b []byte, count int64, columns int) ([]Row, error) {
	var rows []Row
	for len(b) > 0 {
		line, rest, ok := bytes.Cut(b, []byte{'\n'})
		if !ok {
			return nil, errors.New("the last row has no end")
		}
		row, err := DecodeRow(line, columns)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		rows, b = append(rows, row), rest
	}
	if int64(len(rows)) != count {
		return nil, fmt.Errorf("there are %d rows and %d were told", len(rows), count)
	}
	return rows, nil
}

// DecodeRow splits an array into its values.
func DecodeRow(line []byte, columns int) (Row, error) {
	if !json.Valid(line) {
		return nil, errors.New("it is no JSON")
	}
	line = bytes.TrimSpace(line)
	if line[0] != '[' {
		return nil, errors.New("it is no array")
	}
	row := make(Row, 0, columns)
	// It is valid, so brackets and quotes are enough to find the commas between its values.
	depth, start := 0, 1
	add := func(end int) {
		if v := bytes.TrimSpace(line[start:end]); len(v) > 0 {
			row = append(row, json.RawMessage(v))
		}
		start = end + 1
	}
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '"':
			for i++; line[i] != '"'; i++ {
				if line[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				add(i)
			}
		case ',':
			if depth == 1 {
				add(i)
			}
		}
	}
	if len(row) != columns {
		return nil, fmt.Errorf("it has %d values for %d columns", len(row), columns)
	}
	return row, nil
}
