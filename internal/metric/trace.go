package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// Trace is one run with all that happened in it: every attempt of every job, the
// pipelines that its bridges started, and what its end had to wait for.
type Trace struct {
	Instance        int64      `json:"instance" doc:"weir's number of the GitLab"`
	ID              int64      `json:"id" doc:"GitLab's id of the pipeline"`
	Project         *string    `json:"project"`
	Name            *string    `json:"name" doc:"from workflow:name"`
	Status          string     `json:"status"`
	Source          *string    `json:"source"`
	Ref             *string    `json:"ref"`
	SHA             *string    `json:"sha"`
	User            *string    `json:"user"`
	CreatedAt       *time.Time `json:"created_at"`
	StartedAt       *time.Time `json:"started_at"`
	FinishedAt      *time.Time `json:"finished_at"`
	DurationSeconds *float64   `json:"duration_seconds" doc:"GitLab's own: at least one job ran, waiting excluded"`
	URL             *string    `json:"url"`
	Ended           bool       `json:"ended" doc:"whether it has ended; only then is there a critical path"`
	Order           string     `json:"order" doc:"what the critical path follows: needs, or stage where those are not known"`
	GapAfterSeconds *float64   `json:"gap_after_seconds" doc:"from the end of the critical path to the run's; null while it runs"`
	Precision       string     `json:"precision" doc:"s where a time is cut to seconds, else ms"`
	AsOf            time.Time  `json:"as_of"`
	Jobs            []TraceJob `json:"jobs" doc:"by stage, then time; those of a pipeline that a bridge started follow the bridge"`
}

// TraceJob is one attempt of a job of a run, or of a pipeline that it started.
type TraceJob struct {
	Depth            int        `json:"depth" doc:"0 in the run itself, 1 in what its bridges started, …"`
	PipelineID       int64      `json:"pipeline_id"`
	ID               int64      `json:"id"`
	Name             string     `json:"name"`
	Stage            *string    `json:"stage"`
	Kind             string     `json:"kind" doc:"build, bridge or external"`
	Status           string     `json:"status"`
	Attempt          int        `json:"attempt" doc:"1 for the first"`
	Attempts         int        `json:"attempts" doc:"how many there are of this name"`
	AllowFailure     *bool      `json:"allow_failure"`
	FailureReason    *string    `json:"failure_reason"`
	Runner           *string    `json:"runner"`
	ReadyAt          *time.Time `json:"ready_at" doc:"when nothing but a runner was missing"`
	StartedAt        *time.Time `json:"started_at"`
	FinishedAt       *time.Time `json:"finished_at"`
	QueuedSeconds    *float64   `json:"queued_seconds"`
	DurationSeconds  *float64   `json:"duration_seconds"`
	Critical         bool       `json:"critical" doc:"on the critical path of its pipeline"`
	ExclusiveSeconds *float64   `json:"exclusive_seconds" doc:"of a critical one: from ready to its end"`
	GapBeforeSeconds *float64   `json:"gap_before_seconds" doc:"of a critical one: from the end of the one before, or from the creation, to ready"`
	Downstream       *int64     `json:"downstream_pipeline_id"`
	URL              *string    `json:"url"`
}

// deepest bounds how far bridges are followed: GitLab allows two levels of child
// pipelines, and projects that start each other without end.
const deepest = 5

// Trace looks at one run: GitLab's id, INSTANCE/ID (weir's number of the GitLab,
// or its base URL), or the pipeline's page. Errors: not_found, and bad_request
// for what is none of these, or is the id of runs of several GitLabs.
func (e *Engine) Trace(ctx context.Context, pipeline string) (Trace, error) {
	if e.store == nil {
		return Trace{}, errors.New("metric: Config.Store is missing")
	}
	t := Trace{AsOf: e.now().UTC().Truncate(time.Microsecond), Precision: string(ci.Milliseconds), Jobs: []TraceJob{}}
	err := e.store.View(ctx, func(v *store.View) error {
		instance, id, err := findPipeline(ctx, v, pipeline)
		if err != nil {
			return err
		}
		if err := t.read(ctx, v, instance, id); err != nil {
			return err
		}
		path, err := t.add(ctx, v, id, 0, map[int64]bool{})
		if err == nil && t.Ended {
			t.GapAfterSeconds = new(t.FinishedAt.Sub(path).Seconds())
		}
		return err
	})
	if err != nil {
		return Trace{}, err
	}
	return t, nil
}

// findPipeline finds the one run that is meant.
func findPipeline(ctx context.Context, v *store.View, pipeline string) (instance, id int64, err error) {
	rest, digits := "", pipeline
	if i := strings.LastIndexByte(pipeline, '/'); i >= 0 {
		rest, digits = pipeline[:i], pipeline[i+1:]
	}
	if id, err = strconv.ParseInt(digits, 10, 64); err != nil || id <= 0 {
		return 0, 0, badRequest(fmt.Sprintf("%q is no pipeline.", pipeline),
			"Write GitLab's id of the pipeline, INSTANCE/ID, or the address of its page.")
	}
	_, rows, err := v.Select(ctx, "SELECT i.id, i.base_url FROM pipelines p JOIN instances i ON i.id = p.instance_id WHERE p.id = $1 ORDER BY i.id", id)
	if err != nil {
		return 0, 0, fmt.Errorf("finding a run: %w", err)
	}
	var names []string
	for _, row := range rows {
		number, base := row[0].(int64), row[1].(string)
		if rest == "" || rest == strconv.FormatInt(number, 10) || rest == base ||
			strings.HasPrefix(rest, base+"/") && strings.HasSuffix(rest, "/pipelines") {
			instance = number
			names = append(names, fmt.Sprintf("%d/%d (%s)", number, id, base))
		}
	}
	switch len(names) {
	case 0:
		return 0, 0, &ci.Problem{
			Code: ci.NotFound, Cause: fmt.Sprintf("There is no run %s.", pipeline),
			Remedy: "Look for it by weir query \"select instance_id, id, web_url from pipelines\"; what a sync has not reached yet is not here.",
		}
	case 1:
		return instance, id, nil
	}
	return 0, 0, badRequest(fmt.Sprintf("Several GitLabs have a pipeline %d.", id), "Name one: "+strings.Join(names, ", ")+".")
}

// read reads the run itself.
func (t *Trace) read(ctx context.Context, v *store.View, instance, id int64) error {
	_, rows, err := v.Select(ctx, `SELECT r.full_path, p.name, p.status, p.source, p.ref, p.sha, u.username, p.created_at, p.started_at, p.finished_at,
       p.duration_seconds, p.web_url, p.time_precision
FROM pipelines p
LEFT JOIN projects r ON r.instance_id = p.instance_id AND r.id = p.project_id
LEFT JOIN users u ON u.instance_id = p.instance_id AND u.id = p.user_id
WHERE p.instance_id = $1 AND p.id = $2`, instance, id)
	if err != nil {
		return fmt.Errorf("reading a run: %w", err)
	}
	if len(rows) != 1 {
		return fmt.Errorf("reading run %d/%d: %d rows", instance, id, len(rows))
	}
	row := rows[0]
	t.Instance, t.ID, t.Order = instance, id, "stage"
	t.Project, t.Name, t.Source, t.Ref, t.SHA, t.User = known[string](row[0]), known[string](row[1]), known[string](row[3]), known[string](row[4]), known[string](row[5]), known[string](row[6])
	t.Status, _ = row[2].(string)
	t.CreatedAt, t.StartedAt, t.FinishedAt = known[time.Time](row[7]), known[time.Time](row[8]), known[time.Time](row[9])
	t.DurationSeconds, t.URL = known[float64](row[10]), known[string](row[11])
	t.Ended = ci.Status(t.Status).Complete() && t.CreatedAt != nil && t.FinishedAt != nil
	t.coarse(row[12])
	return nil
}

func (t *Trace) coarse(precision any) {
	if precision == string(ci.Seconds) {
		t.Precision = string(ci.Seconds)
	}
}

// add adds the jobs of a pipeline, and after each bridge those of what it
// started. It gives the end of the critical path, or the pipeline's creation
// where there is none.
func (t *Trace) add(ctx context.Context, v *store.View, id int64, depth int, seen map[int64]bool) (time.Time, error) {
	seen[id] = true
	run := &pathRun{instance: t.Instance, id: id, stages: map[string]ci.JobID{}}
	var jobs []TraceJob
	var created, ended *time.Time
	err := v.Each(ctx, `SELECT j.id, j.name, j.base_name, j.stage, j.kind, j.queued_at, j.queued_seconds, j.started_at, j.finished_at, d.created_at, j.time_precision = 's',
       j.status, j.allow_failure, j.failure_reason, coalesce(n.description, CAST(j.runner_id AS text)), j.duration_seconds, j.downstream_pipeline_id, j.web_url,
       j.time_precision, p.created_at, p.finished_at, p.status
FROM jobs j
JOIN pipelines p ON p.instance_id = j.instance_id AND p.id = j.pipeline_id
LEFT JOIN pipelines d ON d.instance_id = j.instance_id AND d.id = j.downstream_pipeline_id
LEFT JOIN runners n ON n.instance_id = j.instance_id AND n.id = j.runner_id
WHERE j.instance_id = $1 AND j.pipeline_id = $2
ORDER BY j.id`, []any{t.Instance, id}, func(row []any) error {
		before := len(run.pieces)
		run.add(row[:11])
		j := TraceJob{
			Depth: depth, PipelineID: id, ID: row[0].(int64), Name: row[1].(string), Stage: known[string](row[3]), Kind: row[4].(string),
			Status: row[11].(string), AllowFailure: known[bool](row[12]), FailureReason: known[string](row[13]), Runner: known[string](row[14]),
			StartedAt: known[time.Time](row[7]), FinishedAt: known[time.Time](row[8]), QueuedSeconds: known[float64](row[6]),
			DurationSeconds: known[float64](row[15]), Downstream: known[int64](row[16]), URL: known[string](row[17]),
		}
		t.coarse(row[18])
		created = known[time.Time](row[19])
		if status, _ := row[21].(string); ci.Status(status).Complete() {
			ended = known[time.Time](row[20])
		}
		switch queued := known[time.Time](row[5]); {
		case len(run.pieces) > before:
			j.ReadyAt = new(run.pieces[before].Ready)
		case queued != nil:
			j.ReadyAt = queued
		case j.StartedAt != nil && j.QueuedSeconds != nil:
			j.ReadyAt = new(j.StartedAt.Add(-time.Duration(*j.QueuedSeconds * float64(time.Second))))
		default:
			j.ReadyAt = j.StartedAt
		}
		jobs = append(jobs, j)
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the jobs of a run: %w", err)
	}
	end := time.Time{}
	if created != nil {
		end = *created
	} else if t.CreatedAt != nil {
		end = *t.CreatedAt
	}
	if created != nil && ended != nil {
		needs, err := needsOf(ctx, v, t.Instance, id)
		if err != nil {
			return time.Time{}, err
		}
		if depth == 0 && len(needs) > 0 {
			t.Order = "needs"
		}
		path := ci.CriticalPath(run.pieces, run.stages, needs)
		for i := range path {
			j := &jobs[slices.IndexFunc(jobs, func(j TraceJob) bool { return j.ID == int64(path[i].ID) })]
			j.Critical, j.ExclusiveSeconds, j.GapBeforeSeconds = true, new(path[i].Exclusive().Seconds()), new(path[i].Ready.Sub(end).Seconds())
			end = path[i].Finished
		}
	}
	countAttempts(jobs)
	slices.SortStableFunc(jobs, func(a, b TraceJob) int {
		return cmp.Or(cmp.Compare(run.stages[stageOf(&a)], run.stages[stageOf(&b)]), compareTimes(a.ReadyAt, b.ReadyAt), cmp.Compare(a.ID, b.ID))
	})
	for _, j := range jobs {
		t.Jobs = append(t.Jobs, j)
		if j.Downstream == nil || depth == deepest || seen[*j.Downstream] {
			continue
		}
		if _, err := t.add(ctx, v, *j.Downstream, depth+1, seen); err != nil {
			return time.Time{}, err
		}
	}
	return end, nil
}

// countAttempts numbers the attempts of each job, which come by id.
func countAttempts(jobs []TraceJob) {
	type slot struct{ kind, name string }
	total := map[slot]int{}
	for i := range jobs {
		s := slot{jobs[i].Kind, jobs[i].Name}
		total[s]++
		jobs[i].Attempt = total[s]
	}
	for i := range jobs {
		jobs[i].Attempts = total[slot{jobs[i].Kind, jobs[i].Name}]
	}
}

func stageOf(j *TraceJob) string {
	if j.Stage == nil {
		return ""
	}
	return *j.Stage
}

// compareTimes orders times, what has none last.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil || b == nil:
		return cmp.Compare(rank(a == nil), rank(b == nil))
	}
	return a.Compare(*b)
}

// needsOf gives what each job of a pipeline needs, where that was fetched.
func needsOf(ctx context.Context, v *store.View, instance, id int64) (map[string][]string, error) {
	_, rows, err := v.Select(ctx, "SELECT job_name, needs_name FROM job_needs WHERE instance_id = $1 AND pipeline_id = $2", instance, id)
	if err != nil {
		return nil, fmt.Errorf("reading needs: %w", err)
	}
	needs := map[string][]string{}
	for _, row := range rows {
		job, needed := row[0].(string), row[1].(string)
		needs[job] = append(needs[job], needed)
	}
	return needs, nil
}

// known gives a value of a row, nil for NULL.
func known[T any](value any) *T {
	if v, ok := value.(T); ok {
		return &v
	}
	return nil
}
