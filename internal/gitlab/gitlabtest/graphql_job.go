package gitlabtest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// jobs writes what ran in a pipeline, of every kind and every attempt unless
// the arguments say otherwise, the newest first.
func (x *graphQLRun) jobs(f *graphQLField, p *Project, pl *Pipeline) {
	statuses := texts(f.args["statuses"])
	kind, _ := f.args["jobKind"].(string)
	retried, filter := f.args["retried"].(bool)
	list := make([]*Job, 0, len(pl.Jobs))
	for _, j := range slices.Backward(pl.Jobs) {
		switch {
		case len(statuses) > 0 && !slices.Contains(statuses, strings.ToUpper(j.Status)),
			filter && retried != j.Retried,
			kind == "BUILD" && j.Kind != Build, kind == "BRIDGE" && j.Kind != Bridge:
			continue
		}
		list = append(list, j)
	}
	byID := func(a, b *Job) int { return cmp.Compare(b.ID, a.ID) }
	if !slices.IsSortedFunc(list, byID) {
		slices.SortFunc(list, byID)
	}
	connection(x, f, keyset(x, f, list, func(j *Job) int64 { return j.ID }),
		func(fields []*graphQLField, j *Job) bool { return x.job(fields, p, pl, j) })
}

func (x *graphQLRun) job(fields []*graphQLField, p *Project, pl *Pipeline, j *Job) bool {
	now := x.r.now()
	for _, f := range fields {
		k := f.key
		switch f.name {
		case "id":
			x.id(k, map[string]string{Build: "Ci::Build", Bridge: "Ci::Bridge", External: "GenericCommitStatus"}[j.Kind], j.ID)
		case "kind":
			if j.Kind == Bridge {
				x.w.str(k, "BRIDGE")
			} else {
				x.w.str(k, "BUILD") // external statuses too
			}
		case "name":
			x.w.str(k, j.Name)
		case "status":
			x.enum(k, j.Status)
		case "stage":
			x.object(f, func(fields []*graphQLField) bool {
				for _, f := range fields {
					if !x.typename(f) {
						x.w.str(f.key, j.Stage)
					}
				}
				return true
			})
		case "allowFailure":
			x.w.bool(k, j.AllowFailure)
		case "manualJob":
			if j.Kind == External {
				x.w.null(k)
			} else {
				x.w.bool(k, j.Manual)
			}
		case "retried":
			x.w.bool(k, j.Retried)
		case "active":
			x.w.bool(k, active(j.Status))
		case "coverage":
			x.w.optFloat(k, j.Coverage)
		case "createdAt":
			x.seconds(k, &j.CreatedAt)
		case "queuedAt":
			x.seconds(k, j.QueuedAt)
		case "scheduledAt":
			x.seconds(k, j.ScheduledAt)
		case "startedAt":
			x.seconds(k, j.StartedAt)
		case "finishedAt":
			x.seconds(k, j.FinishedAt)
		case "erasedAt":
			x.seconds(k, j.ErasedAt)
		case "duration":
			if d := j.Duration(now); d != nil {
				x.w.int(k, int64(d.Seconds()))
			} else {
				x.w.null(k)
			}
		case "queuedDuration":
			x.w.optSpan(k, j.QueuedDuration(now))
		case "failureMessage":
			x.w.optStr(k, j.FailureMessage())
		case "exitCode":
			if j.Kind == External {
				x.w.null(k)
			} else {
				x.w.optInt(k, j.ExitCode)
			}
		case "refName":
			x.w.str(k, pl.Ref)
		case "schedulingType":
			if len(j.Needs) > 0 {
				x.w.str(k, "dag")
			} else {
				x.w.str(k, "stage")
			}
		case "tags":
			if j.Kind == Build {
				x.w.strings(k, j.Tags)
			} else {
				x.w.null(k)
			}
		case "webPath":
			if j.Kind == Bridge {
				x.w.null(k)
			} else {
				x.w.str(k, x.call.server.root+"/"+p.FullPath+"/-/jobs/"+strconv.FormatInt(j.ID, 10))
			}
		case "runner":
			if j.Runner == nil || x.set.hideRunners {
				x.w.null(k)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.runner(fields, j.Runner) })
		case "artifacts":
			if j.Kind != Build {
				x.w.null(k)
				continue
			}
			connection(x, f, positional(x, f, j.Artifacts), func(fields []*graphQLField, fromEnd int) bool {
				return x.artifact(fields, j, j.Artifacts[len(j.Artifacts)-fromEnd])
			})
		case "needs":
			connection(x, f, positional(x, f, j.Needs), func(fields []*graphQLField, fromEnd int) bool {
				for _, f := range fields {
					if !x.typename(f) {
						x.w.str(f.key, j.Needs[len(j.Needs)-fromEnd])
					}
				}
				return true
			})
		case "downstreamPipeline":
			x.otherPipeline(f, j.Downstream)
		default:
			x.typename(f)
		}
	}
	return true
}

func (x *graphQLRun) runner(fields []*graphQLField, r *Runner) bool {
	for _, f := range fields {
		switch f.name {
		case "id":
			x.id(f.key, "Ci::Runner", r.ID)
		case "description":
			x.w.optStr(f.key, r.Description)
		case "runnerType":
			x.enum(f.key, r.Type)
		case "paused":
			x.w.bool(f.key, !r.Active)
		case "active":
			x.w.bool(f.key, r.Active)
		default:
			x.typename(f)
		}
	}
	return true
}

func (x *graphQLRun) artifact(fields []*graphQLField, j *Job, a Artifact) bool {
	for _, f := range fields {
		switch f.name {
		case "name":
			x.w.str(f.key, a.Filename)
		case "fileType":
			x.enum(f.key, a.FileType)
		case "size":
			x.w.str(f.key, strconv.FormatInt(a.Size, 10)) // a BigInt is a string
		case "expireAt":
			x.seconds(f.key, j.ArtifactsExpireAt)
		default:
			x.typename(f)
		}
	}
	return true
}

// FailureMessage is what GitLab tells people about a failed job; nil when it
// did not fail, and nil when its script did, which its log explains.
func (j *Job) FailureMessage() *string {
	if j.Status != "failed" {
		return nil
	}
	reason := "unknown_failure"
	if j.FailureReason != nil {
		reason = *j.FailureReason
	}
	switch reason {
	case "script_failure":
		return nil
	case "unknown_failure":
		return new("There is an unknown failure, please try again")
	case "runner_system_failure":
		return new("There has been a runner system failure, please try again")
	case "stuck_or_timeout_failure":
		return new("There has been a timeout failure or the job got stuck. Check your timeout limits or try again")
	case "job_execution_timeout":
		return new("The script exceeded the maximum execution time set for the job")
	case "downstream_bridge_project_not_found":
		return new("This job could not be executed because downstream bridge project could not be found")
	}
	// GitLab has a sentence for each of its words; of the others this is enough.
	return new("The job failed: " + words(reason))
}
