// Package record is the vocabulary of what collectors say: configuration items, activity events,
// and the messages that carry them from a plugin process into the daemon.
//
// Everything else speaks in these types; the package itself imports nothing of ours. Its types are
// plain data: they are safe to read from several goroutines and are not changed after intake has
// made them.
//
// # Canonical form
//
// The bytes of a record are kept in a canonical form: object members sorted by name (as UTF-8
// bytes), no white space, strings with the fewest escapes, and numbers with the literal they came
// with. It is RFC 8785 except for the numbers, which that form would turn into binary floating
// point: 9007199254740993 must stay what it is. Two records with the same canonical form are the
// same record; hashes are taken over it.
package record
