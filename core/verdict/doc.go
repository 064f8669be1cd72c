// Package verdict is the vocabulary of what policies say: verdicts on resources, the findings and
// alarm episodes that live from them, and the changes that are routed to people.
//
// It imports nothing of ours; like package record it is plain data. A Subject has the fields of
// record.Key in the same order, so that one converts to the other.
package verdict
