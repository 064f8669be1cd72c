// Package filewatch says which paths may have changed, from inotify.
//
// Events are hints: they say where to look, never what is there. A Watcher collects the hints of each
// path until it has been quiet for a moment, at most until a maximum delay, and hands them over in
// batches, so that an editor's six steps of saving one file arrive together. Draining the kernel's
// queue never waits for whoever takes the batches.
//
// Folders are watched, not files, because a file that is replaced is another file to inotify. The
// caller adds folders as it finds them; the Watcher adds none by itself and follows no links.
//
// What inotify loses (its queue overflows, its limits are reached) is told, in a batch or as a
// Limit, and never passed over: the caller has to look at everything then.
package filewatch
