// Command arrow reads every value of Parquet files with Apache Arrow's implementation and prints a line for each
// file: its path, its rows, and the SHA-256 of what stands in the column record, row by row.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

func read(path string) error {
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 4096}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	rr, err := r.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return err
	}
	defer rr.Release()
	sum, rows := sha256.New(), int64(0)
	for rr.Next() {
		rec := rr.RecordBatch()
		rows += rec.NumRows()
		at := rec.Schema().FieldIndices("record")
		if len(at) != 1 {
			return fmt.Errorf("%d columns are called record", len(at))
		}
		col := rec.Column(at[0])
		if ext, ok := col.(array.ExtensionArray); ok {
			col = ext.Storage()
		}
		for i := range col.Len() {
			switch c := col.(type) {
			case *array.String:
				sum.Write([]byte(c.Value(i)))
			case *array.Binary:
				sum.Write(c.Value(i))
			default:
				return fmt.Errorf("record is of type %s", arrow.Type(col.DataType().ID()))
			}
			sum.Write([]byte{'\n'})
		}
	}
	if err := rr.Err(); err != nil {
		return err
	}
	_, err = fmt.Printf("%s %d %x\n", path, rows, sum.Sum(nil))
	return err
}

func main() {
	for _, path := range os.Args[1:] {
		if err := read(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
	}
}
