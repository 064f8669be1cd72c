// Package compliance is the life of findings: what a new verdict on a resource means for the finding
// that its policy may have on it, and what of that is told to people.
//
// The functions are pure: the pipeline gives them the finding so far and the new verdict inside the
// transaction that stores both, and writes what comes back. Which policies to run when, and running
// them, is not done here.
//
// The rules are these. NON_COMPLIANT opens a finding, or opens it again and counts the regression.
// COMPLIANT, NOT_APPLICABLE, deletion of the resource and removal of the policy resolve it, with that
// reason. ERROR and INSUFFICIENT_DATA say nothing about the resource and leave a finding open. A
// change is told where the outcome changes, never because a message reads differently. A waived
// finding stays NON_COMPLIANT and is marked.
package compliance
