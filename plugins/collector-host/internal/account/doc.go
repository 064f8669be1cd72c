// Package account reads the files that say who may use a machine: passwd, shadow, group, login.defs
// and shells.
//
// Every parser returns what it could read beside an error that names the lines it could not; one bad
// line hides no account. Password hashes never leave ParseShadow and ParsePasswd: what they say of a
// password is whether there is one, whether it is locked, which algorithm made it, and its age.
//
// Directory services (LDAP, SSSD) are not asked; the accounts are those of the machine itself.
package account
