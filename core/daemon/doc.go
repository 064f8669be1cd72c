// Package daemon wires the stages together and does nothing else: it opens the store, starts plugins,
// pipeline, router, deliverer and API, builds generations, and stops all of it in order.
//
// A generation is built whole beside the running one: configuration, plugins' descriptions, policies.
// An error anywhere refuses it, and the one in force stays; an instance that fails to launch does not,
// since one broken plugin must not keep the others from running. The last good generation is kept in
// the data folder, so that a restart with broken files runs on it, degraded and saying so.
//
// Stopping drains: collectors finish their batch and send a last checkpoint, what is queued is
// committed, deliveries under way end, then the store is closed.
package daemon
