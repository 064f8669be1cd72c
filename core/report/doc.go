// Package report writes what policies found without a daemon, for terminals and for pipelines: tables,
// JSON, SARIF 2.1.0 and JUnit. It is used by `regent eval` and `regent test`.
package report
