// Package ci is weir's domain in values: what a pipeline run, an attempt of a
// job, a status, a ref and a problem are, and what follows from them by
// arithmetic alone. It reads nothing and writes nothing; it imports only the
// standard library, and every other package may import it.
//
// # Rows
//
// The structs of rows.go are the rows of the published tables, field by
// column (the tag `db` names the column; the meaning of each column stands in
// package store, once). A pointer is a column that may be NULL, and NULL means
// "GitLab did not say": a zero is never written in its place.
//
// # Words
//
// The words are GitLab's (pipeline, job, bridge, ref, runner). Two are ours,
// from doc/metrics.md: an attempt is a row of jobs; a job slot is one
// (pipeline, kind, name), whose attempt with the highest id is the effective
// one and whose other attempts are retried.
package ci
