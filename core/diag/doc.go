// Package diag holds problems that are shown to a person: what is wrong, where in which file, and
// what to do about it. Every stage that reads something a person wrote reports through it: HCL, Rego,
// and the answers of plugins to their configuration.
//
// Errors of the machine (a full disk, a broken connection) stay Go errors; a Problem is for what its
// reader can mend.
package diag
