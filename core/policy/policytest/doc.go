// Package policytest runs the Rego unit tests of policies, for `regent test`. It stands apart from
// package policy because OPA's test runner links Go's package testing, which has no place in the
// daemon.
//
// Tests see what policies see, with three differences. The input is what the test gives (`with input
// as {…}`), parameters included; other resources are those of `with data.resources as {…}`, and
// without that there are none; and print is allowed, its output standing beside the result. The same
// built-in functions are barred as in the daemon, so that a test passes nowhere but where the policy
// would run.
//
// Run compiles policies and tests together but does not hold the policies against their contract
// (METADATA, types, the set deny); that is what policy.Compile is for.
package policytest
