// Package rootfs reads a machine's files below a root folder.
//
// The collector reads this machine with the root "/". A container that has the host's file system
// mounted at /host, an image that is not running, and the tests' fixtures have another root; symbolic
// links are then resolved inside it, as chroot would, so that an absolute link never leads back to
// the machine the collector runs on.
//
// Reading is defensive, because whoever may write to a folder that is read must not be able to hold
// up or blow up the collector: only regular files are read, opening never waits for the other end of
// a pipe, and every read has a limit.
//
// A Tree holds no state but its root and is safe for concurrent use.
package rootfs
