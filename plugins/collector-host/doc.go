// Command collector-host records the Linux machine it runs on: its accounts, sudo rules, SSH server,
// kernel parameters and modules, mounts, packages, listening sockets with their processes, cron
// entries, systemd units and chosen files, as resources of types Linux::…; changes of watched files
// also as activity events while they happen.
//
// # How it works
//
// A pass goes through the families, one file of this package each. A family lists the resources of
// one type from the real system and is one sweep: what a complete sweep no longer lists is gone. What
// may not be read makes the sweep incomplete and is told once; nothing is deleted then. Passes follow
// each other at the instance's interval. Between them, inotify says where watched files may have
// changed; their items and events are sent within a fraction of a second.
//
// # Identity
//
// The account of all resources is the machine's id (see machineID), the region is "local". Resource
// ids hold across reboots: no pid, inode or line number is part of one.
//
// # What it does not do
//
// It changes nothing, opens no port, and asks no directory service. It never reads a password's hash
// into a record, and hides what looks like a secret in command lines. It runs programs only where the
// system has no other way to say something: sshd -T, systemctl show, rpm; and only on the running
// machine (root = "/").
package main
