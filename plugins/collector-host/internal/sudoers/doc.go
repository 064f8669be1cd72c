// Package sudoers reads who may run what as whom: sudoers(5) with its included files, its aliases
// expanded.
//
// Load follows include and includedir in place, because the order of rules decides (the last match
// wins), and expands aliases at the end, because they may be defined after they are used. What it
// cannot read it reports with file and line and goes on after the line, so that one typing error
// hides no rule.
//
// The package says what is written. It does not decide whether somebody may do something: that takes
// the host's name, the directory services' groups and the order of all matches.
package sudoers
