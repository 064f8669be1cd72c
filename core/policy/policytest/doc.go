// Package policytest runs the Rego unit tests of policies. It stands apart from package policy
// because OPA's test runner links Go's package testing, which has no place in the daemon.
package policytest
