// Package sdk is what the author of a Regent plugin writes against.
//
// A collector is a typed configuration, a function that opens it, and a Collect method:
//
//	type config struct {
//		Root string `config:"root,required" doc:"Folder to list."`
//	}
//
//	func open(ctx context.Context, cfg config, env sdk.Env) (sdk.Collector, error) { … }
//
//	func main() {
//		sdk.ServeCollector(sdk.Info{Name: "folder", Version: "0.1.0", Summary: "Lists a folder."}, open)
//	}
//
// A notifier has a Notify method instead and is served with ServeNotifier. The daemon starts one
// process per configured instance, calls open once, and then Collect or Notify until it asks the
// process to stop. What a plugin writes to its log reaches the daemon's log with its fields; nothing
// must be written to standard output.
//
// # What a collector may rely on
//
// Emitter methods block while the daemon is behind; nothing that was emitted is dropped. A cursor
// that was checkpointed comes back after a restart once everything emitted before it is durable. What
// was emitted after the last durable checkpoint may be asked for again, so emitting the same record
// twice must be harmless: items with the same content make no new version, events are recognised by
// source, id and content.
//
// The package imports nothing of the daemon. It may be used from any module.
package sdk
