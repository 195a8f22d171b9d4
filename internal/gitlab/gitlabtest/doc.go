// Package gitlabtest is a GitLab that lives in memory: an http.Handler that
// answers as GitLab's API answers, over a World of groups, projects,
// pipelines and jobs that tests and `weir demo` build, read and move.
//
// It imitates GitLab's contract (doc/gitlab-api.md, cited as "gitlab-api §n"),
// not what weir's client happens to need: child pipelines are hidden unless
// asked for, pages shift while rows are added, a mistyped filter is ignored,
// two kinds of 429 look different, a job's duration grows while it runs. Its
// JSON is written by its own code, key by key in GitLab's order, so that a
// mistake in the client's types cannot hide itself here.
//
//	w := gitlabtest.NewWorld()
//	p := w.AddProject("acme/shop")
//	w.AddPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "test"}}})
//	s := gitlabtest.NewServer(w)
//	// serve s with net/http, or call it in memory through s.Transport()
//
// Worlds come from four places: built by hand as above, Generate (random, with
// every odd case that is known), Uniform (large and plain, for benchmarks) and
// Demo (a believable organisation with known stories). Replay serves a folder
// of recorded answers instead of a World.
//
// A World moves while it is served: StartPipeline, FinishJob, RetryJob,
// DeleteProject and the others take the World's lock and change what GitLab
// would change, updated_at included. Reading a World's fields while it moves
// wants World.View.
//
// GraphQL is served beside REST, as far as CI goes. Hooks makes the events that
// web hooks would send, and the endpoints that install hooks are served.
package gitlabtest
