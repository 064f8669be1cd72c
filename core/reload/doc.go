// Package reload notices that the files a generation is made of have changed, and has the next one
// built.
//
// Events of the file system are hints: they come late, double, or not at all (a Kubernetes ConfigMap
// swap names no policy file; network file systems send nothing). So the loop watches folders, waits
// until they are quiet, reads every file into memory, and compares a digest of the bytes with the
// last one; only a difference leads to a build. It reads again every so often whatever the events
// say, and falls back to that alone where watching fails. What is parsed is the copy that was read: a
// tree that was half written then makes one failed generation, and the next event, or the retry a
// second later, heals it.
//
// Building, checking and putting in force are the caller's business, in one function; the one in
// force stays until that function has succeeded. SIGHUP and the API ask for the same through Now.
package reload
