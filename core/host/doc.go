// Package host runs plugins: it verifies their binaries, launches them, configures them, watches over
// them, and takes them down. It is the only package that imports go-plugin. The daemon calls it with
// what the configuration declares (Apply), the delivery of notifications calls Notify, and what
// collectors say leaves through a Sink.
//
//	declared → verifying → starting → configuring → running → stopped
//	               ▲                                   │
//	               └──────────── backoff ◀─────────────┘   (failed: the same, at the slow end)
//
// # Guarantees
//
//   - What was hashed is what runs: the binary is copied into memory that cannot be written any more,
//     and executed from there. Scripts run from a private copy.
//   - A plugin can end, hang, flood its outputs, or answer nonsense; its instance shows that and is
//     started again with a jittered back-off. Nothing a plugin does ends the daemon or another
//     instance.
//   - A plugin ends with the daemon, even where the daemon is killed: its standard input closes, and on
//     Linux the kernel ends it.
//   - The messages of one instance reach the Sink one after another and in order, across restarts and
//     changes of its configuration. A Sink that blocks holds up the plugin; nothing is dropped.
//   - A change of configuration starts and configures the new process before the old one drains to a
//     checkpoint that is durable and stops; then the new one collects. Where the new configuration is
//     refused, the old process goes on.
//   - A time in which a collector was down while it should have been collecting becomes a Gap.
//
// # What it does not do
//
// It does not look into records (intake does), does not store cursors (Cursors does), does not try
// notifications again (deliver does), and does not confine a plugin: it runs with the daemon's rights.
//
// # go-plugin
//
// Of go-plugin we use the handshake, the mutual TLS, and the runner.Runner that lets us start the
// process our own way. The connection is ours: the library's client waits without a deadline for a
// plugin that hangs, and leaves a connection and a goroutine behind for each plugin that ends between
// its handshake and its first call.
package host
