// Package unitfile reads systemd's unit files with their drop-ins, and what "systemctl show" prints.
//
// It follows systemd.syntax(7) where that decides what a setting is: lines continue after a
// backslash, an empty value forgets those before it, and later files add to earlier ones. Specifiers
// (%i) and quoting inside values are left as they are written.
package unitfile
