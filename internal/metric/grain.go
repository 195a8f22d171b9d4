package metric

import "slices"

// grain is what a metric counts, with the aliases that its statements give to
// the tables that dimensions are read from.
type grain struct {
	name     string
	describe string
	row      string // alias with instance_id, project_id and what is the row's own
	pipeline string // alias with ref, ref_type, …
	pipe     string // expression of the pipeline's id
	at       string // expression of the row's time
	children bool   // whether include=children concerns it
	dims     []Dim
}

func place() []Dim { return []Dim{Instance, Group, Project, Repository, Service, Owner} }
func when() []Dim  { return []Dim{HourOfWeek, Day, Week, Month} }

var (
	overRuns = grain{
		name: "runs", describe: "runs", row: "p", pipeline: "p", pipe: "p.id", at: "p.created_at", children: true,
		dims: slices.Concat(place(), []Dim{Ref, RefType, DefaultBranch, Source, User}, when()),
	}
	overAttempts = grain{
		name: "attempts", describe: "attempts of jobs", row: "j", pipeline: "p", pipe: "j.pipeline_id", at: "j.created_at",
		dims: slices.Concat(overRuns.dims, []Dim{JobName, BaseName, Stage, Runner, RunnerType, RunnerTag, AllowFailure}),
	}
	overGroups = grain{
		name: "groups", describe: "groups of attempts of one job on one commit", row: "j", pipeline: "j", pipe: "j.pipeline_id", at: "j.created_at",
		dims: slices.Concat(place(), []Dim{RefType, JobName, BaseName, Stage, Day, Week, Month}),
	}
	// A red period belongs to a project as a whole, and services (and with them
	// owners) belong to pipelines.
	overPeriods = grain{
		name: "periods", describe: "periods in which a default branch was red", row: "p", pipeline: "p", at: "b.starts",
		dims: []Dim{Instance, Group, Project, Repository, Day, Week, Month},
	}
	overPaths = grain{
		name: "paths", describe: "runs that have ended", row: "p", pipeline: "p", pipe: "p.id", at: "p.created_at", children: true,
		dims: overRuns.dims,
	}
	overSeries = grain{
		name: "series", describe: "days of jobs and of runs", row: "p", pipeline: "p", pipe: "p.id", at: "p.created_at", children: true,
		dims: slices.Concat(place(), []Dim{Ref, RefType, DefaultBranch, Source, BaseName}),
	}
	overDeployments = grain{
		name: "deployments", describe: "deployments", row: "d", pipeline: "d", pipe: "d.pipeline_id", at: "d.ended_at",
		dims: slices.Concat(place(), []Dim{Environment, Tier}, when()),
	}
)
