package main

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/metric"
)

func (p *program) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run PIPELINE",
		Short: "Draw one run: what waited, what worked, and what its end had to wait for",
		Long: `Draw one run as a waterfall. PIPELINE is GitLab's id, INSTANCE/ID, or the address of
the pipeline's page.

  weir run 4711
  weir run 1/4711 -o json
  weir run https://gitlab.com/acme/shop/-/pipelines/4711

Each line is an attempt of a job: ░ it waits for a runner, █ it works. Those marked
with * are the critical path: without them the run would have ended earlier; "after"
says for how long nothing on the path moved before one. Jobs of pipelines that a
bridge started stand below it. A run that still runs is drawn up to now, and has no
critical path yet. Where the terminal is too narrow for bars, numbers are left.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{
					cause:  fmt.Sprintf("weir run takes one pipeline, and %d arguments were given", len(args)),
					remedy: "Name it by GitLab's id, INSTANCE/ID, or the address of its page.",
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				trace, err := client.Run(ctx, args[0])
				if err != nil {
					return err
				}
				return p.writeRun(&trace)
			})
		},
	}
}

// runColumns are those of a run's jobs in formats that are tables.
var runColumns = []string{
	"depth", "pipeline_id", "job_id", "job", "stage", "kind", "status", "attempt", "attempts", "runner", "failure_reason", "ready_at", "started_at",
	"finished_at", "queued_seconds", "duration_seconds", "critical", "exclusive_seconds", "gap_before_seconds", "url",
}

func (p *program) writeRun(t *metric.Trace) error {
	switch f := p.format(); f {
	case asTable:
		_, err := fmt.Fprint(p.stdout, p.drawRun(t))
		return err
	case asJSON:
		return writeDocument(p.stdout, f, t)
	default:
		var rows [][]any
		for i := range t.Jobs {
			j := &t.Jobs[i]
			rows = append(rows, []any{
				j.Depth, j.PipelineID, j.ID, j.Name, given(j.Stage), j.Kind, j.Status, j.Attempt, j.Attempts, given(j.Runner), given(j.FailureReason),
				given(j.ReadyAt), given(j.StartedAt), given(j.FinishedAt), given(j.QueuedSeconds), given(j.DurationSeconds), j.Critical,
				given(j.ExclusiveSeconds), given(j.GapBeforeSeconds), given(j.URL),
			})
		}
		return writeRows(p.stdout, f, runColumns, rows)
	}
}

// given is a value that may be missing, as writers take it.
func given[T any](value *T) any {
	if value == nil {
		return nil
	}
	return *value
}

// The narrowest bar that still says something, and how wide a waterfall is where
// there is no terminal to ask.
const (
	narrowBar  = 12
	usualWidth = 100
)

// drawRun draws a waterfall.
func (p *program) drawRun(t *metric.Trace) string {
	var b strings.Builder
	b.WriteString(runTitle(t) + "\n")
	begins, ends := runSpan(t)
	lines := make([]runLine, len(t.Jobs))
	name, took := 0, 0
	for i := range t.Jobs {
		lines[i] = lineOf(&t.Jobs[i], t.AsOf)
		name, took = max(name, utf8.RuneCountInString(lines[i].name)), max(took, utf8.RuneCountInString(lines[i].took))
	}
	width := p.width(usualWidth)
	name = min(name, max(width*2/5, 16))
	bar := width - name - took - len("* ") - 2*len("  ")
	if bar < narrowBar || !ends.After(begins) {
		bar = 0
	}
	stage := ""
	for i := range t.Jobs {
		j, line := &t.Jobs[i], lines[i]
		if s := fmt.Sprint(j.Depth, j.PipelineID, given(j.Stage)); s != stage {
			stage = s
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", j.Depth), stageTitle(t, j))
		}
		mark := "  "
		if j.Critical {
			mark = "* "
		}
		text := mark + padded(line.name, name)
		if bar > 0 {
			text += "  " + p.bar(j, begins, ends, t.AsOf, bar)
		}
		b.WriteString(strings.TrimRight(text+"  "+line.took, " ") + "\n")
	}
	b.WriteString(runEnd(t))
	return b.String()
}

func runTitle(t *metric.Trace) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d/%d: %s", printable(shownOr(t.Project, "a project that is not stored")), t.Instance, t.ID, printable(t.Status))
	if t.Name != nil {
		fmt.Fprintf(&b, ", %q", printable(*t.Name))
	}
	fmt.Fprintf(&b, "; %s of %s", printable(shownOr(t.Source, "unknown source")), printable(shownOr(t.Ref, "an unknown ref")))
	if t.SHA != nil {
		fmt.Fprintf(&b, " at %s", printable((*t.SHA)[:min(len(*t.SHA), shownSHA)]))
	}
	if t.User != nil {
		fmt.Fprintf(&b, " by %s", printable(*t.User))
	}
	fmt.Fprintf(&b, "\ncreated %s", atText(t.CreatedAt))
	if t.CreatedAt != nil && t.StartedAt != nil {
		fmt.Fprintf(&b, ", started after %s", spanText(t.StartedAt.Sub(*t.CreatedAt).Seconds()))
	}
	switch {
	case t.CreatedAt != nil && t.FinishedAt != nil && t.Ended:
		fmt.Fprintf(&b, ", ended after %s", spanText(t.FinishedAt.Sub(*t.CreatedAt).Seconds()))
		if t.DurationSeconds != nil {
			fmt.Fprintf(&b, " (jobs ran for %s of it)", spanText(*t.DurationSeconds))
		}
	case t.CreatedAt != nil && !t.Ended:
		fmt.Fprintf(&b, ", has not ended; drawn up to %s", atText(&t.AsOf))
	}
	if t.URL != nil {
		b.WriteString("\n" + printable(*t.URL))
	}
	return b.String()
}

func shownOr(text *string, otherwise string) string {
	if text == nil {
		return otherwise
	}
	return *text
}

func stageTitle(t *metric.Trace, j *metric.TraceJob) string {
	title := printable(shownOr(j.Stage, "no stage"))
	if j.PipelineID != t.ID {
		title += fmt.Sprintf(" (of pipeline %d)", j.PipelineID)
	}
	return "─ " + title
}

// runEnd says what the path adds up to.
func runEnd(t *metric.Trace) string {
	if len(t.Jobs) == 0 {
		return "it has no jobs\n"
	}
	var b strings.Builder
	if t.Ended {
		on, gaps := 0.0, 0.0
		for _, j := range t.Jobs {
			if j.Depth == 0 && j.Critical {
				on += *j.ExclusiveSeconds
				gaps += *j.GapBeforeSeconds
			}
		}
		if t.GapAfterSeconds != nil {
			gaps += *t.GapAfterSeconds
		}
		fmt.Fprintf(&b, "* critical path, by %s: %s of jobs and %s between them\n", t.Order, spanText(on), signedSpan(gaps))
	}
	if t.Precision == "s" {
		b.WriteString("some of the times are known to the second only\n")
	}
	return b.String()
}

// runSpan is the stretch that is drawn: from the first moment that is known of
// the run to the last, or to now while it runs.
func runSpan(t *metric.Trace) (begins, ends time.Time) {
	see := func(at *time.Time) {
		switch {
		case at == nil:
			return
		case begins.IsZero():
			begins, ends = *at, *at
		case at.Before(begins):
			begins = *at
		case at.After(ends):
			ends = *at
		}
	}
	see(t.CreatedAt)
	see(t.FinishedAt)
	for i := range t.Jobs {
		j := &t.Jobs[i]
		see(j.ReadyAt)
		see(j.StartedAt)
		see(j.FinishedAt)
		if underWay(j) {
			see(&t.AsOf)
		}
	}
	return begins, ends
}

// underWay says whether a job waits or works now.
func underWay(j *metric.TraceJob) bool {
	if j.FinishedAt != nil {
		return false
	}
	return j.Status == "running" || j.Status == "canceling" || j.Status == "pending" && j.ReadyAt != nil
}

// runLine is what is written of a job.
type runLine struct{ name, took string }

func lineOf(j *metric.TraceJob, now time.Time) runLine {
	name := strings.Repeat("  ", j.Depth) + statusGlyph(j) + " " + printable(j.Name)
	if j.Attempts > 1 {
		name += fmt.Sprintf(" (attempt %d of %d)", j.Attempt, j.Attempts)
	}
	var parts []string
	switch work, wait := worked(j, now), j.QueuedSeconds; {
	case j.StartedAt == nil && j.Kind != "bridge", work < 0:
		parts = append(parts, printable(j.Status))
	case wait != nil && *wait >= 1:
		parts = append(parts, spanText(*wait)+" + "+spanText(work))
	default:
		parts = append(parts, spanText(work))
	}
	if j.FailureReason != nil && j.Status == "failed" {
		parts = append(parts, printable(*j.FailureReason))
	}
	if j.GapBeforeSeconds != nil && *j.GapBeforeSeconds >= 1 {
		parts = append(parts, "after "+spanText(*j.GapBeforeSeconds))
	}
	return runLine{name, strings.Join(parts, ", ")}
}

// worked is for how long a job has worked, below 0 where that is not known.
func worked(j *metric.TraceJob, now time.Time) float64 {
	switch {
	case j.StartedAt != nil && j.FinishedAt != nil:
		return j.FinishedAt.Sub(*j.StartedAt).Seconds()
	case j.StartedAt != nil && underWay(j):
		return max(now.Sub(*j.StartedAt).Seconds(), 0)
	case j.Kind == "bridge" && j.ReadyAt != nil && j.FinishedAt != nil:
		return j.FinishedAt.Sub(*j.ReadyAt).Seconds()
	}
	return -1
}

func statusGlyph(j *metric.TraceJob) string {
	switch j.Status {
	case "success":
		return "✓"
	case "failed":
		if j.AllowFailure != nil && *j.AllowFailure {
			return "!"
		}
		return "✕"
	case "running", "canceling":
		return "●"
	case "pending":
		return "◔"
	case "canceled":
		return "⊘"
	case "skipped":
		return "»"
	case "manual":
		return "▷"
	}
	return "○"
}

// bar draws a job: blanks, its wait, its work. What there is of either takes one
// letter at least.
func (p *program) bar(j *metric.TraceJob, begins, ends, now time.Time, width int) string {
	end := j.FinishedAt
	if end == nil && underWay(j) {
		end = &now
	}
	ready := j.ReadyAt
	if ready == nil || end == nil {
		return strings.Repeat(" ", width)
	}
	starts := j.StartedAt
	if starts == nil {
		starts = ready // of a bridge: it works from the beginning
		if j.Kind != "bridge" {
			starts = end
		}
	}
	place := func(at time.Time) int {
		share := float64(at.Sub(begins)) / float64(ends.Sub(begins))
		return min(max(int(share*float64(width)+0.5), 0), width)
	}
	from, work, to := place(*ready), place(*starts), place(*end)
	if starts.Before(*end) && to == work {
		work, to = min(work, width-1), min(work, width-1)+1
	}
	if ready.Before(*starts) && starts.Sub(*ready) >= time.Second && work == from && from > 0 {
		from--
	}
	from = min(from, work)
	text := strings.Repeat(" ", from) + strings.Repeat("░", work-from) + p.painted(j, strings.Repeat("█", to-work))
	return text + strings.Repeat(" ", width-to)
}

// painted colours the work of a job that failed, where colours are shown.
func (p *program) painted(j *metric.TraceJob, text string) string {
	if j.Status != "failed" || text == "" || !p.color(p.stdout) {
		return text
	}
	return "\x1b[31m" + text + "\x1b[0m"
}

// padded cuts or fills a text to a width.
func padded(text string, width int) string {
	letters := []rune(text)
	if len(letters) > width {
		return string(letters[:width-1]) + "…"
	}
	return text + strings.Repeat(" ", width-len(letters))
}
