//go:build !cgo

package main

import (
	"fmt"
	"io"
	"os"
)

// linked says whether DuckDB is part of this program.
const linked = false

func work(string, io.Reader, io.Writer) int {
	fmt.Fprintln(os.Stderr, "built without cgo and so without DuckDB")
	return 2
}
