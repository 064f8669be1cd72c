// Command query-duckdb is the query engine of Regent: it answers SQL over Parquet files with DuckDB.
//
// Each query runs in a process of its own, which is this program again. It is started with limits on its
// memory, its time and its spill folder, and, where the kernel has Landlock, confined to reading the
// query's files and writing its spill folder before a byte of it runs. DuckDB's own switches are set as
// well, but they are not what is relied on: COPY TO, ATTACH and EXPORT DATABASE have written over files
// with all of them set. A query that crashes, hangs or is cancelled ends with its process, and with
// nothing else.
//
// DuckDB is linked in, which needs cgo. Built without it, the program describes itself and refuses its
// configuration with what is missing.
package main
