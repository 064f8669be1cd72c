// Package dialect is the Rego that policies and their tests are written in: which functions it leaves
// out, how it is parsed, and how the errors of OPA's parser and compiler read to a person.
//
// It is shared by package policy and package policytest, and by nobody else.
package dialect
