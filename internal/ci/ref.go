package ci

import (
	"regexp"
	"strconv"
	"strings"
)

// RefType says what a pipeline's ref is.
type RefType string

// The values of Pipeline.RefType.
const (
	Branch       RefType = "branch"
	Tag          RefType = "tag"
	MergeRequest RefType = "merge_request"
)

// ClassifyRef gives the type of a pipeline's ref (doc/metrics.md §1):
// merge_request when the ref lies below refs/merge-requests/ or the source is
// merge_request_event, else tag when GitLab says so, else branch.
func ClassifyRef(ref string, source Source, tag bool) RefType {
	switch {
	case strings.HasPrefix(ref, mergeRequestRefs), source == SourceMergeRequest:
		return MergeRequest
	case tag:
		return Tag
	}
	return Branch
}

const mergeRequestRefs = "refs/merge-requests/"

// MergeRequestIID reads the merge request's number from a ref such as
// refs/merge-requests/12/head; false for any other ref.
func MergeRequestIID(ref string) (int64, bool) {
	rest, ok := strings.CutPrefix(ref, mergeRequestRefs)
	if !ok {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, "/")
	iid, err := strconv.ParseInt(number, 10, 64)
	return iid, err == nil && iid > 0
}

// groupSuffix is what GitLab cuts from a job's name to group the jobs of a
// parallel or matrix (CommitStatus#group_name): spaces or colons, then either
// a bracketed part or two numbers separated by spaces, colons or slashes.
var groupSuffix = regexp.MustCompile(`([\s:]+((\[.*\])|(\d+[\s:/\\]+\d+)))\s*$`)

// BaseName is a job's name without its matrix and n/m parts: "rspec 1/3" and
// "deploy: [eu, 2]" give "rspec" and "deploy". The suffix is cut up to three
// times, as GitLab does. An empty name stays empty.
func BaseName(name string) string {
	base := name
	for range 3 {
		cut := groupSuffix.ReplaceAllString(base, "")
		if cut == base {
			break
		}
		base = cut
	}
	return strings.TrimSpace(base)
}
