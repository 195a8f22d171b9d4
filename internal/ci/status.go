package ci

// Status is the state of a pipeline or a job, in GitLab's word. A word that
// GitLab invents tomorrow is kept as it came.
type Status string

// The statuses that GitLab has as of 18.5 (schemas: Ci::HasStatus).
const (
	Created            Status = "created"
	WaitingForResource Status = "waiting_for_resource"
	Preparing          Status = "preparing"
	WaitingForCallback Status = "waiting_for_callback"
	Pending            Status = "pending"
	Running            Status = "running"
	Success            Status = "success"
	Failed             Status = "failed"
	Canceling          Status = "canceling"
	Canceled           Status = "canceled"
	Skipped            Status = "skipped"
	Manual             Status = "manual"
	Scheduled          Status = "scheduled"
)

// Complete says whether GitLab counts the status as ended. An ended pipeline
// may still leave it again, by a retry.
func (s Status) Complete() bool {
	switch s {
	case Success, Failed, Canceled, Skipped:
		return true
	}
	return false
}

// Stopped says whether nothing happens until a person or a clock acts: the
// thing has not ended, yet asking again would be in vain, because acting
// changes the pipeline's updated_at.
func (s Status) Stopped() bool { return s == Manual || s == Scheduled }

// Known says whether the status is one that weir has a constant for.
func (s Status) Known() bool {
	switch s {
	case Created, WaitingForResource, Preparing, WaitingForCallback, Pending, Running, Canceling, Manual, Scheduled:
		return true
	}
	return s.Complete()
}

// Moving says whether a job in this status may change without any change of
// its pipeline's updated_at, so that its pipeline must be asked for again.
// Created is not moving: such a job waits for others that are, or for a person.
// An unknown status is taken as moving: better one request too many.
func (s Status) Moving() bool { return !s.Complete() && !s.Stopped() && s != Created }

// Source is what started a pipeline, in GitLab's word.
type Source string

// The sources that weir treats in a way of their own; any other is kept as it came.
const (
	SourceExternal     Source = "external"
	SourceMergeRequest Source = "merge_request_event"
	SourceParent       Source = "parent_pipeline" // a child pipeline
	SourcePipeline     Source = "pipeline"        // started by a pipeline of another project
)
