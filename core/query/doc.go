// Package query answers questions in SQL over the lake, through the query-engine plugin. The API calls
// it; the daemon gives it the plugin and the lake.
//
// The engine asks the plugin which tables a statement reads, takes a snapshot of their files from the
// lake, and hands both to the plugin, which knows nothing but what it is given: no glob, no folder. The
// snapshot is released when the result has been read or closed.
//
// What the tables and views are, with the type and meaning of each column, is said once, in schema.go.
// Times are TIMESTAMP WITH TIME ZONE and stand in UTC.
//
// # Guarantees
//
//   - A statement reads what was committed when its snapshot was taken, and nothing else.
//   - At most so many queries run at once as the settings say; others wait their turn.
//   - A result is streamed and never held in memory as a whole. Each query is bounded in memory, time,
//     rows and bytes, and its error says which bound it met.
//
// # What it does not do
//
// It does not run SQL, check it, or keep a query from writing: the plugin does, in a process of its own.
package query
