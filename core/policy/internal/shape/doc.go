// Package shape reads from JSON Schemas which paths a document can have and what kinds of value stand
// there, so that a policy's misspelt path is found before the policy runs.
//
// It knows less of JSON Schema than a validator and errs towards allowing a path: what it does not
// understand may be anything. OPA's own type checker cannot be given such schemas as they are: unions
// and nullable types mean "anything" to it, and its cost grows with the schema. Lowered writes for it
// what it can use.
package shape
