// Package gitlab is GitLab's HTTP API as Go: a client whose lists are
// iterators, the answers as types, and a governor that keeps weir a guest in
// someone's GitLab. It speaks GitLab's words only; turning them into weir's is
// the importer's work.
//
// # A walk over a list
//
//	for page, err := range client.PipelineJobs(ctx, project, pipeline) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// A walk ends with the list, or with one error; it never ends early in
// silence. A Link that cannot be read, leads elsewhere or leads back, an answer
// without paging headers whose page is full, an item without its id: each of
// them is an error, because a short list would read as "there is no more".
//
// # What is retried
//
// 429, 5xx, connections that break and bodies that stop early are asked again,
// with full jitter between the attempts (doc/design.md §4). Any other 4xx is
// an answer. Redirects are followed on the same host and scheme only, and a
// token goes nowhere else.
//
// # GraphQL
//
// Runs gives a hundred pipelines with their jobs in one request, Changes a
// hundred projects with what is new in them. Any entry in "errors" is an error
// of the whole request. A question that takes GitLab too long is not asked
// again: Timeout and TooComplex tell the caller to ask for less.
//
// # Where the rules come from
//
// docs.gitlab.com (REST API, rate limits, pagination) and GitLab's source;
// "gitlab-api §n" in comments is the section of weir's notes on them.
package gitlab
