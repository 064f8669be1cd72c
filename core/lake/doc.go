// Package lake keeps the full history in Parquet files: it drains the store's journal into them, compacts
// them, removes what is past its retention, and answers look-ups over journal and lake as one.
//
// # What is in the lake
//
// The manifest in the store says which files are in the lake; what lies in the folder or bucket does not.
// A change of the manifest takes effect in one transaction, together with what it means for the journal,
// so a row is in the journal or in the lake and never in both or in neither. A copy of the manifest is
// published beside the files, as manifest.json.
//
// # Crashes
//
// There is one piece of work at a time. What it will do (which rows, into which files, in place of which
// others) is written to the store as a plan before the first file is. After a crash the same plan is
// carried out again, into the same files, which nobody has read yet because the manifest does not have
// them. Files that went out of the manifest are removed when no reader can have them any more.
//
// # Files
//
// A table's files lie in a folder a day of the rows' times, an hour where a day has very many. The numbers
// of a row group are all below those of the next. Within one the rows of events stand beside their like
// where that makes them smaller, otherwise in the order of their numbers; readers here put them into that
// order. So each record's digest can be taken in one order wherever it is, and a compacted file proves that
// it holds what the files it replaced held; package manifest says how.
//
// The package decides nothing about who may ask, and knows nothing of SQL.
package lake
