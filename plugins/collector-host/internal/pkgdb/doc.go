// Package pkgdb reads the databases of package managers: dpkg's status and file lists, apk's
// installed, and what the program rpm prints when asked in the form given here.
//
// The parsers are pure and return what they could read beside an error that names what they could
// not. Which package owns a file is answered for the files asked about alone, because a machine has
// some hundred thousand of them.
package pkgdb
