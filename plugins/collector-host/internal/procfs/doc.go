// Package procfs reads what the kernel shows under /proc: sockets, mounts, modules and processes.
//
// The parsers are pure. The kernel writes these files, so that a line that cannot be read is the
// exception; it is left out and counted in the error.
package procfs
