package store

import (
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Batch is what [Store.Apply] writes in one transaction. The usual one has 200
// to 5,000 rows; an empty one writes nothing. The same key may occur several
// times: the newest row of it wins, as if they had come one after the other.
type Batch struct {
	Instances    []ci.Instance
	Groups       []ci.Group
	Projects     []ci.Project
	Repositories []ci.Repository
	Users        []ci.User
	Runners      []ci.Runner
	Pipelines    []ci.Pipeline
	Jobs         []ci.Job
	Deployments  []ci.Deployment
	Patches      []Patch // written after the rows above
	JobNeeds     []ci.JobNeed
	ProjectSyncs []ci.ProjectSync
	Syncs        []ci.Sync
	SyncErrors   []ci.SyncError
	Reaches      []Reach
	Moved        []Move
	Deleted      []Tombstone
}

// Tombstone says that GitLab no longer has a row. The row keeps its data and
// gets deleted_at = At, unless it was asked for later than At. With a project
// go its pipelines, their jobs and its deployments, with a pipeline its jobs. A row that is not
// stored, or deleted already, stays as it is.
type Tombstone struct {
	Table      string // groups, projects, repositories, pipelines or jobs
	InstanceID ci.InstanceID
	ID         int64
	At         time.Time
}

// Written is how many rows a batch inserted or replaced, by table. Rows that
// lost against newer ones do not count, tombstones do not either. Tables
// without any are left out.
type Written map[string]int64

// Add adds the counts of another.
func (w Written) Add(other Written) {
	for table, n := range other {
		w[table] += n
	}
}

// load is the rows of one table, encoded and split into layers: no key twice
// in one layer, and a later layer is as if written later.
type load struct {
	table  Table
	layers [][][]any
}

// loads encodes the batch, table by table, in the order in which they are
// written: always the same one, so that two writers cannot wait for each other.
func (b *Batch) loads() ([]load, error) {
	var list []load
	add := func(name string, n int, rows func(*Table) ([][]any, error)) error {
		if n == 0 {
			return nil
		}
		t, _ := TableByName(name)
		values, err := rows(&t)
		if err != nil {
			return err
		}
		list = append(list, load{t, layers(&t, values)})
		return nil
	}
	for _, step := range []func() error{
		func() error { return add("instances", len(b.Instances), encoder(b.Instances)) },
		func() error { return add("groups", len(b.Groups), encoder(b.Groups)) },
		func() error { return add("projects", len(b.Projects), encoder(b.Projects)) },
		func() error { return add("repositories", len(b.Repositories), encoder(b.Repositories)) },
		func() error { return add("users", len(b.Users), encoder(b.Users)) },
		func() error { return add("runners", len(b.Runners), encoder(b.Runners)) },
		func() error { return add("pipelines", len(b.Pipelines), encoder(b.Pipelines)) },
		func() error { return add("jobs", len(b.Jobs), encoder(b.Jobs)) },
		func() error { return add("deployments", len(b.Deployments), encoder(b.Deployments)) },
		func() error { return add("job_needs", len(b.JobNeeds), encoder(b.JobNeeds)) },
		func() error { return add("project_syncs", len(b.ProjectSyncs), encoder(b.ProjectSyncs)) },
		func() error { return add("syncs", len(b.Syncs), encoder(b.Syncs)) },
		func() error { return add("sync_errors", len(b.SyncErrors), encoder(b.SyncErrors)) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func encoder[T any](rows []T) func(*Table) ([][]any, error) {
	return func(t *Table) ([][]any, error) { return encode(t, rows) }
}
