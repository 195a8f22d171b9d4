package gitlabtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Replay serves a folder of recorded answers of a real GitLab:
//
//	api/v4/projects/ID.json
//	api/v4/projects/ID/pipelines.json
//	api/v4/projects/ID/pipelines/PID.json
//	api/v4/projects/ID/pipelines/PID/jobs.json
//	api/v4/projects/ID/pipelines/PID/bridges.json
//
// Rows come out byte for byte as they were recorded (but for white space); the
// lists they stand in, pages, filters, tokens and limits are the simulator's.
// The namespace of a recorded project is served as a group, also where it is a
// person's, so that projects are found as they are in an organisation. A list
// that was not recorded is empty. An error names the file that cannot be read.
func Replay(dir fs.FS, opts ...Option) (*Server, error) {
	w := NewWorld()
	files, err := fs.Glob(dir, "api/v4/projects/*.json")
	if err != nil {
		return nil, fmt.Errorf("list recorded projects: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no recorded projects: api/v4/projects/*.json is empty")
	}
	for _, file := range files {
		if err := w.replayProject(dir, file); err != nil {
			return nil, err
		}
	}
	return NewServer(w, append([]Option{Version("16.10.4-ee")}, opts...)...), nil
}

// The parts of recorded rows that lists filter and sort by.
type (
	recordedProject struct {
		ID                int64
		Name, Path        string
		PathWithNamespace string `json:"path_with_namespace"`
		Description       *string
		DefaultBranch     *string `json:"default_branch"`
		Visibility        string
		Topics            []string
		Archived          bool
		BuildsAccess      string    `json:"builds_access_level"`
		CreatedAt         time.Time `json:"created_at"`
		UpdatedAt         time.Time `json:"updated_at"`
		LastActivityAt    time.Time `json:"last_activity_at"`
		Namespace         struct {
			ID   int64
			Name string
		}
	}
	recordedPipeline struct {
		ID, IID        int64
		SHA, Ref       string
		Status, Source string
		Name           *string
		Tag            bool
		BeforeSHA      string     `json:"before_sha"`
		YAMLErrors     *string    `json:"yaml_errors"`
		CreatedAt      time.Time  `json:"created_at"`
		UpdatedAt      *time.Time `json:"updated_at"`
		StartedAt      *time.Time `json:"started_at"`
		FinishedAt     *time.Time `json:"finished_at"`
		User           *recordedUser
	}
	recordedUser struct {
		ID             int64
		Username, Name string
		State          string
	}
	recordedJob struct {
		ID                  int64
		Name, Stage, Status string
		CreatedAt           time.Time  `json:"created_at"`
		StartedAt           *time.Time `json:"started_at"`
		FinishedAt          *time.Time `json:"finished_at"`
		AllowFailure        bool       `json:"allow_failure"`
		Coverage            *float64
		FailureReason       *string `json:"failure_reason"`
		User                *recordedUser
	}
)

func (w *World) replayProject(dir fs.FS, file string) error {
	raw, err := readJSON(dir, file)
	if err != nil {
		return err
	}
	var rec recordedProject
	if err := json.Unmarshal(raw, &rec); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	p := w.AddProject(rec.PathWithNamespace)
	w.Edit(func() {
		p.ID, p.Name, p.Path, p.Description, p.DefaultBranch = rec.ID, rec.Name, rec.Path, rec.Description, rec.DefaultBranch
		p.Visibility, p.Topics, p.Archived, p.BuildsAccess = rec.Visibility, rec.Topics, rec.Archived, rec.BuildsAccess
		p.CreatedAt, p.UpdatedAt, p.LastActivityAt = rec.CreatedAt, rec.UpdatedAt, rec.LastActivityAt
		p.Group.ID, p.Group.Name, p.Group.CreatedAt = rec.Namespace.ID, rec.Namespace.Name, rec.CreatedAt
		p.raw = bytes.Replace(raw, []byte(`"kind":"user"`), []byte(`"kind":"group"`), 1)
	})
	folder := strings.TrimSuffix(file, ".json")
	items, err := readList(dir, folder+"/pipelines.json")
	if err != nil {
		return err
	}
	for _, item := range items {
		pl, err := w.replayPipeline(dir, folder, p, item)
		if err != nil {
			return err
		}
		p.Pipelines = append(p.Pipelines, pl)
	}
	w.Edit(func() {})
	return nil
}

func (w *World) replayPipeline(dir fs.FS, folder string, p *Project, item json.RawMessage) (*Pipeline, error) {
	var rec recordedPipeline
	if err := json.Unmarshal(item, &rec); err != nil {
		return nil, fmt.Errorf("%s/pipelines.json: %w", folder, err)
	}
	pl := &Pipeline{rawItem: item}
	at := path.Join(folder, "pipelines", fmt.Sprint(rec.ID))
	if detail, err := readJSON(dir, at+".json"); err == nil {
		if err := json.Unmarshal(detail, &rec); err != nil {
			return nil, fmt.Errorf("%s.json: %w", at, err)
		}
		pl.rawDetail = detail
	}
	pl.ID, pl.IID, pl.ProjectID, pl.SHA, pl.Ref, pl.Status, pl.Source = rec.ID, rec.IID, p.ID, rec.SHA, rec.Ref, rec.Status, rec.Source
	pl.Name, pl.Tag, pl.BeforeSHA, pl.YAMLErrors = rec.Name, rec.Tag, rec.BeforeSHA, rec.YAMLErrors
	pl.CreatedAt, pl.UpdatedAt, pl.StartedAt, pl.FinishedAt = rec.CreatedAt, rec.UpdatedAt, rec.StartedAt, rec.FinishedAt
	pl.User = w.recordedUser(rec.User)
	for _, list := range []struct{ name, kind string }{{"jobs", Build}, {"bridges", Bridge}} {
		rows, err := readList(dir, path.Join(at, list.name+".json"))
		if err != nil {
			return nil, err
		}
		for _, raw := range rows {
			var rj recordedJob
			if err := json.Unmarshal(raw, &rj); err != nil {
				return nil, fmt.Errorf("%s/%s.json: %w", at, list.name, err)
			}
			pl.Jobs = append(pl.Jobs, &Job{
				ID: rj.ID, ProjectID: p.ID, PipelineID: pl.ID, Kind: list.kind, Name: rj.Name, Stage: rj.Stage, Status: rj.Status,
				CreatedAt: rj.CreatedAt, StartedAt: rj.StartedAt, FinishedAt: rj.FinishedAt, AllowFailure: rj.AllowFailure,
				Coverage: rj.Coverage, FailureReason: rj.FailureReason, User: w.recordedUser(rj.User), raw: raw,
			})
		}
	}
	slices.SortFunc(pl.Jobs, func(a, b *Job) int { return cmp.Compare(a.ID, b.ID) })
	latest := map[string]*Job{}
	for _, j := range pl.Jobs {
		if before := latest[j.Kind+j.Name]; before != nil {
			before.Retried = true
		}
		latest[j.Kind+j.Name] = j
	}
	return pl, nil
}

func (w *World) recordedUser(rec *recordedUser) *User {
	if rec == nil {
		return nil
	}
	u := w.AddUser(rec.Username)
	u.ID, u.Name, u.State = rec.ID, rec.Name, rec.State
	return u
}

// readJSON reads a file and takes the white space out.
func readJSON(dir fs.FS, file string) ([]byte, error) {
	b, err := fs.ReadFile(dir, file)
	if err != nil {
		return nil, fmt.Errorf("read recorded answer: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return compact.Bytes(), nil
}

// readList reads a list; one that was not recorded is empty.
func readList(dir fs.FS, file string) ([]json.RawMessage, error) {
	if _, err := fs.Stat(dir, file); err != nil {
		return nil, nil
	}
	b, err := readJSON(dir, file)
	if err != nil {
		return nil, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return rows, nil
}
