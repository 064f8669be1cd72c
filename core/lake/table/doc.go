// Package table says what the tables of the lake are: their columns, as the Parquet files hold them and
// as SQL names them.
//
// A row type is the schema of its table's files, through the tags that parquet-go reads. Columns are
// snake_case; times are microseconds since 1970 in UTC; a text that is not known is NULL, never empty.
// Each row has a number, which counts the rows of its table in the order in which they were recorded and
// is never given twice, and a received time. The row groups of a file are sorted by number, their rows not
// always. The record is kept byte for byte as it was accepted; the other columns are what look-ups and
// joins want of it.
//
// Columns are only ever added, at the end: files of an older version lack them and read as NULL.
package table
