// Package api is weir's JSON API and its Go client. The command line is always
// a client of it (doc/design.md §2, "one door"): over loopback when another
// process owns the data directory, over an in-memory transport otherwise.
//
// # Shape
//
// Everything lies under /api/v1. Requests and answers are JSON; times are RFC
// 3339 in UTC, spans are seconds, ids are numbers. An answer that failed is an
// RFC 9457 problem (application/problem+json) with four members of our own:
// code, remedy, request and curl, from ci.Problem. Three answers are streams:
// the rows of a query (NDJSON), an exported table, and the events of a sync
// (server-sent events).
//
// # Secrets
//
// A GitLab token enters by POST /connections and POST
// /connections/{id}/credentials and never leaves again: the type Secret
// redacts itself, answers hold its last four characters at most, and a request
// that is refused is never echoed.
package api

// Prefix is the path under which every operation of this version lies.
const Prefix = "/api/v1"
