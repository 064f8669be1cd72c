// Package policy loads, checks, compiles and runs Rego policies. It is the only importer of OPA.
//
// A generation's policies are compiled once into a Set, which is immutable: reload builds the next Set
// beside the running one and swaps a pointer. Compile reports everything that is wrong with the files
// at once, with places; a Set that came with errors is not to be used.
//
// # What callers may rely on
//
//   - A Set, its Policies and a Value are safe for concurrent use.
//   - Judge never panics and never guesses: whatever goes wrong is the outcome ERROR with a reason.
//   - Evaluations are deterministic: they see the record, the policy's parameters, the resources that a
//     Reader gives them, and the record's time. Network, environment, randomness and the clock are out
//     of reach.
//   - The same record is parsed once, by Parse, however many policies see it.
//   - Other resources are read one by one when a policy asks for them, and each look-up is noted in the
//     verdict's evidence, absences included. Nothing is preloaded.
//   - ForEvent leaves out a policy only where none of its rules could have matched.
//
// # What it does not do
//
// It neither watches files nor stores anything, and it knows nothing of findings, windows or alarm
// states: packages compliance and alarm make those of what Judge and Match return. Policies are trusted
// with memory: OPA has no limit for it, so a policy can still build a value that does not fit.
package policy
