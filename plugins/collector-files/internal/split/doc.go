// Package split cuts a stream of bytes into JSON records, with constant memory.
//
// A file may hold one record per line, records with line breaks in them, one after another, an array
// of records, or an object with a list of records as one of its members ({"Records":[…]}); the
// Splitter tells them apart by what it reads, and a file may change between them. It can begin at any
// record that it has been at before: State says where that is.
//
// # Damage
//
// What is not JSON is reported as a damaged record, once for each run of bytes, and reading goes on at
// the next record. Where that begins is a guess, because the damage may have left a string or an
// object open: the next line that begins like the damaged record's did, or the end of the brackets
// that the record opened, whichever comes first.
//
// A record that is not whole at the end of the stream is not damaged yet: somebody may still be
// writing it. Only with final set it is reported.
package split
