package ci

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ran is an effective build that ran from and to these seconds after noon.
func ran(id JobID, name string, from, to float64) Job {
	start, end := noon.Add(time.Duration(from*1e9)), noon.Add(time.Duration(to*1e9))
	return Job{ID: id, Name: name, Kind: Build, Status: Success, StartedAt: &start, FinishedAt: &end}
}

func with(j Job, change func(*Job)) Job {
	change(&j)
	return j
}

func TestRunningTimeIsTheUnionOfEffectiveBuilds(t *testing.T) {
	for name, tc := range map[string]struct {
		jobs []Job
		want time.Duration
	}{
		"no jobs":               {nil, 0},
		"one":                   {[]Job{ran(1, "a", 0, 10)}, 10 * time.Second},
		"side by side":          {[]Job{ran(1, "a", 0, 10), ran(2, "b", 5, 12)}, 12 * time.Second},
		"one inside":            {[]Job{ran(1, "a", 0, 10), ran(2, "b", 2, 3), ran(3, "c", 4, 11)}, 11 * time.Second},
		"with a gap":            {[]Job{ran(1, "a", 0, 10), ran(2, "b", 100, 105.5)}, 15500 * time.Millisecond},
		"touching":              {[]Job{ran(2, "b", 10, 20), ran(1, "a", 0, 10)}, 20 * time.Second},
		"retried":               {[]Job{ran(1, "a", 0, 10), ran(2, "a", 20, 25)}, 5 * time.Second},
		"bridge":                {[]Job{ran(1, "a", 0, 10), with(ran(2, "t", 10, 50), func(j *Job) { j.Kind = Bridge })}, 10 * time.Second},
		"never started":         {[]Job{ran(1, "a", 0, 10), with(ran(2, "b", 0, 30), func(j *Job) { j.StartedAt = nil; j.Status = Failed })}, 10 * time.Second},
		"running":               {[]Job{ran(1, "a", 0, 10), with(ran(2, "b", 0, 30), func(j *Job) { j.FinishedAt = nil; j.Status = Running })}, 10 * time.Second},
		"canceled counts":       {[]Job{with(ran(1, "a", 0, 10), func(j *Job) { j.Status = Canceled })}, 10 * time.Second},
		"skipped doesn't":       {[]Job{with(ran(1, "a", 0, 10), func(j *Job) { j.Status = Skipped })}, 0},
		"ends before it starts": {[]Job{ran(1, "a", 10, 5)}, 0},
	} {
		MarkRetried(tc.jobs)
		if got := RunningTime(tc.jobs); got != tc.want {
			t.Errorf("%s: RunningTime = %s, want %s", name, got, tc.want)
		}
	}
}

func TestMarkRetried(t *testing.T) {
	jobs := []Job{
		{ID: 3, Name: "a", Kind: Build},
		{ID: 1, Name: "a", Kind: Build},
		{ID: 2, Name: "a", Kind: Build},
		{ID: 4, Name: "b", Kind: Build},
		{ID: 9, Name: "a", Kind: Bridge}, // another kind is another slot
	}
	MarkRetried(jobs)
	want := []bool{false, true, true, false, false}
	for i, j := range jobs {
		if j.Retried == nil || *j.Retried != want[i] {
			t.Errorf("job %d (%s %s): retried = %v, want %t", j.ID, j.Kind, j.Name, j.Retried, want[i])
		}
	}
	MarkRetried(nil)
}

func TestHasWarnings(t *testing.T) {
	allowed := Job{ID: 1, Name: "a", Kind: Build, Status: Failed, AllowFailure: new(true)}
	for name, tc := range map[string]struct {
		jobs []Job
		want bool
	}{
		"no jobs":                 {nil, false},
		"allowed failure":         {[]Job{allowed}, true},
		"failure not allowed":     {[]Job{{ID: 1, Kind: Build, Status: Failed, AllowFailure: new(false)}}, false},
		"unknown whether allowed": {[]Job{{ID: 1, Kind: Build, Status: Failed}}, false},
		"mended by a retry":       {[]Job{allowed, {ID: 2, Name: "a", Kind: Build, Status: Success, AllowFailure: new(true)}}, false},
		"allowed and canceled":    {[]Job{{ID: 1, Kind: Build, Status: Canceled, AllowFailure: new(true)}}, true},
		"allowed and green":       {[]Job{{ID: 1, Kind: Build, Status: Success, AllowFailure: new(true)}}, false},
	} {
		MarkRetried(tc.jobs)
		if got := HasWarnings(tc.jobs); got != tc.want {
			t.Errorf("%s: HasWarnings = %t, want %t", name, got, tc.want)
		}
	}
}

func TestOpenFollowsWhatMayStillMove(t *testing.T) {
	for name, tc := range map[string]struct {
		pipeline Status
		jobs     []Status
		want     bool
	}{
		"ended":                          {Success, []Status{Success, Skipped}, false},
		"running":                        {Running, []Status{Success}, true},
		"created":                        {Created, nil, true},
		"waits for a person":             {Manual, []Status{Success, Manual, Created}, false},
		"waits for a clock":              {Scheduled, []Status{Scheduled}, false},
		"ended, a job is being canceled": {Canceled, []Status{Canceling}, true},
		"unknown pipeline status":        {"teleporting", nil, true},
		"unknown job status":             {Success, []Status{"teleporting"}, true},
		"optional manual job left":       {Success, []Status{Success, Manual}, false},
	} {
		var jobs []Job
		for _, s := range tc.jobs {
			jobs = append(jobs, Job{Status: s})
		}
		if got := Open(Pipeline{Status: tc.pipeline}, jobs); got != tc.want {
			t.Errorf("%s: Open = %t, want %t", name, got, tc.want)
		}
	}
}
