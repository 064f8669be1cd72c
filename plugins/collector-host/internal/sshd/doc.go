// Package sshd works out how an OpenSSH server is set: from what "sshd -T" prints, or from
// sshd_config where the program cannot be asked.
//
// Both give the same form, Effective: lower-case keywords with the values sshd would print, so that a
// reader of one need not know which it was. Reading the file follows sshd's own rules: the first
// value of a keyword counts, Include stands where it is written, "+", "-" and "^" change the default
// lists, and what the file leaves out has the default of OpenSSH 9.2. Other versions differ, mostly in their
// algorithms, which is why asking the program comes first.
//
// Settings inside Match hold for some connections only. They are listed beside the effective ones
// and never mixed into them, except those of "Match all", which override what stands outside.
package sshd
