//go:build !unix

package sdk

// closeOnExec has nothing to do where children inherit only what they are given.
func closeOnExec() {}
