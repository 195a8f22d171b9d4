package importer_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/store"
)

// oracle asks whether what project_syncs says is true: of each project, every
// pipeline that was last changed between backfilled_from and synced_to is
// stored as it is, and if it has ended, so are its jobs.
type oracle struct {
	store    *store.Store
	instance ci.InstanceID
	said     map[ci.ProjectID]string // when last checked
}

// check asks the oracle, if anything new is said, or anyway.
func (p *proof) check(anyway bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.store == nil || p.lies { // a false 404 deletes what is there, until it is seen again
		return
	}
	ctx := p.t.Context()
	syncs, err := p.store.ProjectSyncs(ctx, p.instance.ID)
	if err != nil {
		p.t.Errorf("the oracle: %v", err)
		return
	}
	said := make(map[ci.ProjectID]string, len(syncs))
	for id, s := range syncs {
		said[id] = fmt.Sprint(text(s.SyncedTo), text(s.BackfilledFrom))
	}
	news := anyway
	for id := range said {
		news = news || said[id] != p.oracle.said[id]
	}
	if !news {
		return
	}
	p.oracle.said = said
	found := p.read()
	p.world.View(func() {
		for _, project := range p.world.Projects {
			s, ok := syncs[ci.ProjectID(project.ID)]
			if !ok || s.SyncedTo == nil {
				continue
			}
			followed := openOf(s)
			for _, pl := range project.Pipelines {
				p.claim(project, pl, s, found, followed)
			}
		}
	})
}

// claim checks one pipeline of the world.
func (p *proof) claim(project *gitlabtest.Project, pl *gitlabtest.Pipeline, s ci.ProjectSync, found snapshot, followed []ci.PipelineID) {
	changed := pl.UpdatedAt
	if changed == nil {
		changed = &pl.CreatedAt
	}
	if changed.After(*s.SyncedTo) || changed.Before(*s.BackfilledFrom) || pl.CreatedAt.After(*s.SyncedTo) {
		return
	}
	id := fmt.Sprint(pl.ID)
	if found.noted[id] && slices.Contains(followed, ci.PipelineID(pl.ID)) {
		return // said to be unreadable
	}
	row := found.pipelines[id]
	lie := func(format string, args ...any) {
		p.t.Errorf("%s is said to be complete from %s to %s; pipeline %d (%s, last changed %s) %s",
			project.FullPath, s.BackfilledFrom.Format(time.RFC3339Nano), s.SyncedTo.Format(time.RFC3339Nano), pl.ID, pl.Status, text(ms(pl.UpdatedAt)), fmt.Sprintf(format, args...))
	}
	switch {
	case row == nil:
		lie("is not stored")
		return
	case row["deleted_at"] != "NULL":
		lie("is stored as deleted")
		return
	case row["updated_at"] == "NULL" && pl.UpdatedAt != nil: // a hook was here: the next poll reads it
		return
	case row["status"] != pl.Status || row["updated_at"] != text(ms(pl.UpdatedAt)):
		lie("is stored as %s, last changed %s", row["status"], row["updated_at"])
		return
	}
	if !ci.Status(pl.Status).Complete() {
		return
	}
	for _, j := range pl.Jobs {
		if j.Kind == gitlabtest.Bridge && j.Retried {
			continue // in no list of REST
		}
		if j.Kind != gitlabtest.External && !ci.Status(j.Status).Moving() && found.jobs[fmt.Sprint(j.ID)] != j.Status {
			lie("has job %d (%s), which is stored as %q", j.ID, j.Status, found.jobs[fmt.Sprint(j.ID)])
		}
	}
}

// openOf gives the pipelines that a cursor follows.
func openOf(s ci.ProjectSync) []ci.PipelineID {
	var c struct{ Open []ci.PipelineID }
	if s.Cursor == nil || json.Unmarshal([]byte(*s.Cursor), &c) != nil {
		return nil
	}
	return c.Open
}

// snapshot is what the oracle needs to know of the store.
type snapshot struct {
	pipelines map[string]map[string]string
	jobs      map[string]string // status by id
	noted     map[string]bool   // pipelines of which a sync said that it could not read them
}

func (p *proof) read() snapshot {
	s := snapshot{pipelines: map[string]map[string]string{}, jobs: map[string]string{}, noted: map[string]bool{}}
	for statement, take := range map[string]func([]any){
		"SELECT id, status, updated_at, deleted_at FROM pipelines": func(row []any) {
			s.pipelines[text(row[0])] = map[string]string{"status": text(row[1]), "updated_at": text(row[2]), "deleted_at": text(row[3])}
		},
		"SELECT id, status FROM jobs WHERE deleted_at IS NULL": func(row []any) { s.jobs[text(row[0])] = text(row[1]) },
		"SELECT detail FROM sync_errors WHERE detail LIKE 'pipeline %'": func(row []any) {
			id, _, _ := strings.Cut(strings.TrimPrefix(text(row[0]), "pipeline "), ":")
			s.noted[id] = true
		},
	} {
		result, err := p.store.Query(p.t.Context(), store.Query{SQL: statement})
		if err != nil {
			p.t.Errorf("the oracle: %v", err)
			continue
		}
		for row, err := range result.Rows() {
			if err != nil {
				p.t.Errorf("the oracle: %v", err)
				break
			}
			take(row)
		}
		if err := result.Close(); err != nil {
			p.t.Errorf("the oracle: %v", err)
		}
	}
	return s
}
