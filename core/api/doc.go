// Package api is the daemon's HTTP interface: what the command line, scripts and pages ask and tell.
//
// It listens on a Unix socket that only the daemon's user may open and, where the configuration says
// so, on TCP with TLS and bearer tokens. A token has one of three roles: read, operate (acknowledge,
// retry, confirm, reload), admin. On loopback without TLS the Host and Origin of each request must be
// the listener's own, or a web page in somebody's browser could talk to the daemon. Every call that
// changes something becomes an activity event of the daemon's own.
//
// The operations are described by OpenAPI at /openapi.json. Lists come newest first, paged by a
// cursor. The package reads the store and calls back into the daemon through Backend; it decides
// nothing.
package api
