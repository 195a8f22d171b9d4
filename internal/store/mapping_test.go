package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/catalog"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// monorepo is the catalog of most tests here.
const monorepo = `version: 1
services:
  - {identifier: shop, match: {project: acme/shop}}
  - identifier: cart
  - identifier: pay
rules:
  - name: mono
    match: {project: acme/mono}
    each:
      - {match: {job: "cart*"}, service: cart}
      - {match: {job: "pay*"}, service: pay}
      - {match: {bridge: start pay}, service: pay}
  - {name: topic, match: {topic: cart}, service: cart}
deploys:
  - {match: {job: "deploy*", project: acme/shop}, environment: production}
  - {match: {stage: deploy}, environment: staging}
  - {match: {pipeline: release}, environment: staging}
`

func TestReplaceCatalog(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, history())
		change := put(t, s, monorepo)
		want := []string{"1:shop", "2:cart,pay", "3:pay", "5:shop"}
		if diff := gocmp.Diff(want, mapped(t, s)); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
		if change.Pipelines != 6 || change.Mapped != 4 || change.NewlyMapped != 4 || change.MappedBefore+change.Orphaned+change.Remapped != 0 || len(change.Examples) != 4 {
			t.Errorf("change %+v", change)
		}
		if change.Examples[0].Pipeline != 5 || change.Examples[0].Project != "acme/shop" || change.Examples[0].After != "shop" {
			t.Errorf("newest example %+v", change.Examples[0])
		}
		// The same again changes nothing; a preview of another changes nothing either.
		if again := put(t, s, monorepo); again.NewlyMapped+again.Remapped+again.Orphaned != 0 || again.MappedBefore != 4 {
			t.Errorf("the same again %+v", again)
		}
		const fewer = "version: 1\nservices:\n  - {identifier: shop}\n  - {identifier: cart, match: {project: acme/mono}}\nrules: []\ndeploys: []\n"
		before := dump(t, s)
		preview, err := s.ReplaceCatalog(t.Context(), true, building(t, fewer))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(before, dump(t, s)); diff != "" {
			t.Errorf("a preview changed rows:\n%s", diff)
		}
		if preview.NewlyMapped != 1 || preview.Remapped != 2 || preview.Orphaned != 2 || preview.Mapped != 3 {
			t.Errorf("preview %+v", preview)
		}
		if real := put(t, s, fewer); !gocmp.Equal(preview, real) {
			t.Errorf("the preview said otherwise:\n%s", gocmp.Diff(preview, real))
		}
		if diff := gocmp.Diff([]string{"2:cart", "3:cart", "4:cart"}, mapped(t, s)); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
	})
}

// TestMappedBy: a row says the rule that holds now, also where its service stays.
func TestMappedBy(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, history())
		for _, match := range []string{"project: acme/shop", "group: acme, project: \"*/shop\""} {
			change := put(t, s, "version: 1\nservices:\n  - {identifier: shop, match: {"+match+"}}\n  - {identifier: mono, match: {project: acme/mono}}\nrules: []\ndeploys: []\n")
			if change.Remapped != 0 || change.Mapped != 5 {
				t.Errorf("%s: %+v", match, change)
			}
			var shop ci.RuleID
			for rule, n := range change.Wins {
				if n == 2 {
					shop = rule
				}
			}
			by := texts(t, s, fmt.Sprintf("SELECT r.service_id || ' by ' || CAST(r.match AS VARCHAR) FROM pipeline_services p JOIN service_rules r ON r.id = p.rule_id WHERE r.id = %d", shop))
			if len(by) != 2 || strings.Contains(by[0], "acme/shop") != (match == "project: acme/shop") {
				t.Errorf("%s: %q", match, by)
			}
		}
	})
}

// TestManyConditions: a rule's cases are told apart, also where they are more
// than a number has bits.
func TestManyConditions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const cases = 2*maskBits + 3
		b := history()
		b.Jobs = nil
		chosen := []int{0, maskBits - 1, maskBits, 2*maskBits - 1, 2 * maskBits, cases - 1}
		var want []string
		for i := range 6 { // pipeline i+1 has the first i+1 of those jobs
			var services []string
			for k := range i + 1 {
				job := history().Jobs[0]
				job.ID, job.PipelineID, job.Name = ci.JobID(100*i+k), ci.PipelineID(i+1), fmt.Sprintf("job%d", chosen[k])
				b.Jobs = append(b.Jobs, job)
				services = append(services, fmt.Sprintf("s%03d", chosen[k]))
			}
			want = append(want, fmt.Sprintf("%d:%s", i+1, strings.Join(services, ",")))
		}
		apply(t, s, b)
		var services, each strings.Builder
		for i := range cases {
			fmt.Fprintf(&services, "  - {identifier: s%03d}\n", i)
			fmt.Fprintf(&each, "      - {match: {job: job%d}, service: s%03d}\n", i, i)
		}
		put(t, s, "version: 1\nservices:\n"+services.String()+"rules:\n  - match: {group: acme}\n    each:\n"+each.String()+"deploys: []\n")
		if diff := gocmp.Diff(want, mapped(t, s)); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
	})
}

// TestLoadMappings: a pair that is loaded again is replaced, on DuckDB without a
// key that would see to it.
func TestLoadMappings(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for _, rows := range [][][]any{
			{{int64(1), int64(7), int64(2), int64(3)}, {int64(1), int64(8), int64(2), nil}},
			{{int64(1), int64(8), int64(2), int64(4)}, {int64(2), int64(8), int64(2), int64(5)}, {int64(1), int64(8), int64(2), int64(6)}},
		} {
			if err := s.Load(t.Context(), "pipeline_services", rows); err != nil {
				t.Fatal(err)
			}
		}
		got := texts(t, s, "SELECT instance_id || ' ' || pipeline_id || ' ' || service_id || ' by ' || rule_id FROM pipeline_services")
		if diff := gocmp.Diff([]string{"1 7 2 by 3", "1 8 2 by 6", "2 8 2 by 5"}, got); diff != "" {
			t.Errorf("mapped (-want +got):\n%s", diff)
		}
	})
}

// TestReplaceCatalogRefused: when the new rows cannot be made, the old ones stay.
func TestReplaceCatalogRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, history())
		put(t, s, monorepo)
		before := dump(t, s)
		refused := fmt.Errorf("no")
		_, err := s.ReplaceCatalog(t.Context(), false, func(CatalogRows) (CatalogRows, Mapper, error) { return CatalogRows{}, nil, refused })
		if err == nil || !strings.Contains(err.Error(), "no") {
			t.Errorf("error %v", err)
		}
		if diff := gocmp.Diff(before, dump(t, s)); diff != "" {
			t.Errorf("rows changed:\n%s", diff)
		}
	})
}

func TestDeployments(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, history())
		put(t, s, monorepo)
		want := []string{
			"-1000000000000006: staging staging <nil> <nil> true rule", // pipeline 6 is a release
			"-51: production production shop 51 <nil> rule",            // still runs
			"-22: staging staging pay 22 true rule",                    // job pay-deploy of a run with two services
			"-21: staging staging cart 21 false rule",                  // job cart-deploy of the same
			"-13: production production shop 13 true rule",             // its second attempt
			"-12: production production shop 12 false rule",            // deploy, failed
		}
		slices.Sort(want)
		if diff := gocmp.Diff(want, deployed(t, s)); diff != "" {
			t.Errorf("deployments (-want +got):\n%s", diff)
		}
		// GitLab's own record of a deployment is the one there is.
		execAs(t, s, `INSERT INTO deployments (instance_id, id, project_id, environment, tier, pipeline_id, job_id, success, source, synced_at)
			VALUES (1, 7, 1, 'production', 'production', 1, 13, true, 'gitlab', now())`)
		put(t, s, monorepo)
		got := deployed(t, s)
		if !slices.Contains(got, "7: production production shop 13 true gitlab") || slices.ContainsFunc(got, func(d string) bool { return strings.HasPrefix(d, "-13:") }) {
			t.Errorf("counted twice, or without its service: %q", got)
		}
		// Without rules only GitLab's row is left, as GitLab told it.
		put(t, s, "version: 1\nservices: []\nrules: []\ndeploys: []\n")
		if diff := gocmp.Diff([]string{"7: production production <nil> 13 true gitlab"}, deployed(t, s)); diff != "" {
			t.Errorf("deployments without rules (-want +got):\n%s", diff)
		}
	})
}

// TestMapChanged: what comes later is mapped as it is then: a job, a bridge
// that names the child, a topic, a rename.
func TestMapChanged(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		put(t, s, monorepo)
		if n := mapChanged(t, s); n != 0 {
			t.Errorf("%d pipelines mapped of none", n)
		}
		b := history()
		apply(t, s, Batch{Instances: b.Instances, Projects: b.Projects, Pipelines: b.Pipelines})
		mapChanged(t, s)
		if diff := gocmp.Diff([]string{"1:shop", "5:shop"}, mapped(t, s)); diff != "" {
			t.Errorf("before its jobs came (-want +got):\n%s", diff)
		}
		apply(t, s, Batch{Jobs: b.Jobs})
		mapChanged(t, s)
		if diff := gocmp.Diff([]string{"1:shop", "2:cart,pay", "3:pay", "5:shop"}, mapped(t, s)); diff != "" {
			t.Errorf("after (-want +got):\n%s", diff)
		}
		renamed := b.Projects[0]
		renamed.FullPath, renamed.SyncedAt = "acme/store", at(100)
		tagged := b.Projects[2]
		tagged.Topics, tagged.SyncedAt = []string{"cart"}, at(100)
		apply(t, s, Batch{Projects: []ci.Project{renamed, tagged}})
		if n := mapChanged(t, s); n != 3 {
			t.Errorf("%d pipelines mapped again, want those of two projects", n)
		}
		if diff := gocmp.Diff([]string{"2:cart,pay", "3:pay", "6:cart"}, mapped(t, s)); diff != "" {
			t.Errorf("after a rename and a topic (-want +got):\n%s", diff)
		}
		if n := mapChanged(t, s); n != 0 {
			t.Errorf("%d pipelines mapped with nothing new", n)
		}
	})
}

// TestMappingAgrees: in one go, piece by piece, and by catalog.Assign in Go,
// history is mapped the same.
func TestMappingAgrees(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		id := int64(0)
		rapid.Check(t, func(r *rapid.T) {
			id++
			instance := ci.InstanceID(id) // each check is a GitLab of its own
			b := drawHistory(r, instance)
			rules := drawRules(r)
			if _, err := s.ReplaceCatalog(t.Context(), false, building(t, rules)); err != nil {
				r.Fatal(err)
			}
			if _, err := s.Apply(t.Context(), Batch{Projects: b.Projects, Instances: []ci.Instance{{ID: instance, BaseURL: fmt.Sprint("https://", id), CreatedAt: at(0)}}}); err != nil {
				r.Fatal(err)
			}
			for part := range 2 {
				i, j, k := len(b.Pipelines), len(b.Jobs), len(b.Deployments)
				if part == 0 {
					i, j, k = rapid.IntRange(0, i).Draw(r, "pipelines"), rapid.IntRange(0, j).Draw(r, "jobs"), rapid.IntRange(0, k).Draw(r, "deployments")
				}
				if _, err := s.Apply(t.Context(), Batch{Pipelines: b.Pipelines[:i], Jobs: b.Jobs[:j], Deployments: b.Deployments[:k]}); err != nil {
					r.Fatal(err)
				}
				b.Pipelines, b.Jobs, b.Deployments = b.Pipelines[i:], b.Jobs[j:], b.Deployments[k:]
				if _, err := s.MapChanged(t.Context(), compiling()); err != nil {
					r.Fatal(err)
				}
			}
			piecemeal, deployments := mapped(t, s), deployed(t, s)
			whole, err := s.ReplaceCatalog(t.Context(), false, building(t, rules))
			if err != nil {
				r.Fatal(err)
			}
			if whole.NewlyMapped+whole.Remapped+whole.Orphaned+whole.DeploymentsAdded+whole.DeploymentsRemoved+whole.DeploymentsChanged != 0 {
				r.Fatalf("in one go it is %+v, piece by piece %v %v", whole, piecemeal, deployments)
			}
			if diff := gocmp.Diff(deployments, deployed(t, s)); diff != "" {
				r.Fatalf("deployments piece by piece (-) and in one go (+):\n%s", diff)
			}
			if twice := texts(t, s, "SELECT pipeline_id || ' ' || service_id FROM pipeline_services GROUP BY instance_id, pipeline_id, service_id HAVING count(*) > 1"); len(twice) > 0 {
				r.Fatalf("mapped twice: %v", twice)
			}
			if twice := texts(t, s, countedTwice); len(twice) > 0 {
				r.Fatalf("counted twice: %v", twice)
			}
			if diff := gocmp.Diff(byHand(t, s, instance), mappedOf(t, s, instance)); diff != "" {
				r.Fatalf("by Assign (-) and by SQL (+), rules:\n%s\n%s", rules, diff)
			}
		})
	})
}

// byHand maps every stored pipeline of an instance by catalog.Assign.
func byHand(t *testing.T, s *Store, instance ci.InstanceID) []string {
	t.Helper()
	rows, err := s.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Stored(rows).Compile()
	if err != nil {
		t.Fatal(err)
	}
	names := map[ci.ServiceID]string{}
	for _, one := range rows.Services {
		names[one.ID] = one.Identifier
	}
	var list []string
	stored, err := all[ci.Pipeline](t.Context(), s, "pipelines", "WHERE instance_id = $1", int64(instance))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range stored {
		run, facts, err := s.Facts(t.Context(), p.InstanceID, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		var services []string
		for _, a := range c.Assign(run, facts) {
			services = append(services, names[a.Service])
		}
		if len(services) > 0 {
			slices.Sort(services)
			list = append(list, fmt.Sprintf("%d:%s", p.ID, strings.Join(services, ",")))
		}
	}
	slices.Sort(list)
	return list
}

// history is three projects: acme/shop (1), acme/mono (2) and acme/other (3).
func history() Batch {
	b := Batch{Instances: []ci.Instance{{ID: 1, BaseURL: "https://gitlab.example.com", CreatedAt: at(0)}}}
	for id, path := range []string{"acme/shop", "acme/mono", "acme/other"} {
		b.Projects = append(b.Projects, ci.Project{InstanceID: 1, ID: ci.ProjectID(id + 1), FullPath: path, Name: path, CIAccess: ci.CIEnabled, Topics: []string{}, SyncedAt: at(0)})
	}
	pipeline := func(id ci.PipelineID, project ci.ProjectID, name *string) {
		b.Pipelines = append(b.Pipelines, ci.Pipeline{
			InstanceID: 1, ID: id, ProjectID: project, Status: ci.Success, RefType: ci.Branch, Ref: new("main"), Name: name,
			CreatedAt: new(at(float64(id))), UpdatedAt: new(at(float64(id))), TimePrecision: "ms", SyncedAt: at(50),
		})
	}
	job := func(id ci.JobID, pipeline ci.PipelineID, name, stage string, status ci.Status) *ci.Job {
		b.Jobs = append(b.Jobs, ci.Job{
			InstanceID: 1, ID: id, ProjectID: 1, PipelineID: pipeline, Name: name, BaseName: ci.BaseName(name), Stage: &stage, Kind: ci.Build,
			Status: status, FinishedAt: new(at(60)), TimePrecision: "ms", SyncedAt: at(50),
		})
		return &b.Jobs[len(b.Jobs)-1]
	}
	pipeline(1, 1, nil)
	job(11, 1, "build", "build", ci.Success)
	job(12, 1, "deploy 1/2", "deploy", ci.Failed)
	job(13, 1, "deploy 1/2", "deploy", ci.Success)
	job(14, 1, "deploy later", "deploy", ci.Manual)
	pipeline(2, 2, new("release"))
	job(21, 2, "cart-deploy", "deploy", ci.Failed)
	job(22, 2, "pay-deploy", "deploy", ci.Success)
	pipeline(3, 2, nil) // started by the bridge of 4
	job(31, 3, "build", "build", ci.Success)
	pipeline(4, 2, nil)
	bridge := job(41, 4, "start pay", "trigger", ci.Success)
	bridge.Kind, bridge.DownstreamPipelineID = ci.Bridge, new(ci.PipelineID(3))
	pipeline(5, 1, nil)
	job(51, 5, "deploy", "deploy", ci.Running)
	pipeline(6, 3, new("release"))
	return b
}

func drawHistory(t *rapid.T, instance ci.InstanceID) Batch {
	var b Batch
	base := int64(instance) * 1000
	for i, path := range []string{"a/x", "a/y", "b/x"} {
		b.Projects = append(b.Projects, ci.Project{
			InstanceID: instance, ID: ci.ProjectID(base + int64(i)), FullPath: path, Name: path, CIAccess: ci.CIEnabled,
			Topics: rapid.SampledFrom([][]string{nil, {"go"}, {"go", "web"}}).Draw(t, "topics"), SyncedAt: at(0),
		})
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "pipelines") {
		p := ci.Pipeline{
			InstanceID: instance, ID: ci.PipelineID(base + int64(i)), ProjectID: ci.ProjectID(base + rapid.Int64Range(0, 2).Draw(t, "project")),
			Status: rapid.SampledFrom([]ci.Status{ci.Success, ci.Failed, ci.Canceled, ci.Running}).Draw(t, "status"), RefType: ci.Branch, TimePrecision: "ms", SyncedAt: at(1),
		}
		p.Ref = rapid.SampledFrom([]*string{nil, new("main"), new("v1")}).Draw(t, "ref")
		p.Name = rapid.SampledFrom([]*string{nil, new("release")}).Draw(t, "name")
		p.IsDefaultBranch = rapid.SampledFrom([]*bool{nil, new(true), new(false)}).Draw(t, "default")
		b.Pipelines = append(b.Pipelines, p)
		for k := range rapid.IntRange(0, 3).Draw(t, "jobs") {
			j := ci.Job{
				InstanceID: instance, ID: ci.JobID(base + int64(i*10+k)), PipelineID: p.ID, ProjectID: p.ProjectID, Kind: ci.Build, TimePrecision: "ms", SyncedAt: at(1),
				Name: rapid.SampledFrom([]string{"build", "build 1/2", "deploy"}).Draw(t, "job"), Status: rapid.SampledFrom([]ci.Status{ci.Success, ci.Failed, ci.Manual}).Draw(t, "job status"),
			}
			j.BaseName = ci.BaseName(j.Name)
			j.Stage = rapid.SampledFrom([]*string{nil, new("s")}).Draw(t, "stage")
			if rapid.IntRange(0, 3).Draw(t, "bridge") == 0 {
				j.Kind, j.DownstreamPipelineID = ci.Bridge, new(ci.PipelineID(base+rapid.Int64Range(0, 6).Draw(t, "downstream")))
			}
			b.Jobs = append(b.Jobs, j)
			if j.Kind == ci.Build && rapid.IntRange(0, 2).Draw(t, "recorded") == 0 {
				b.Deployments = append(b.Deployments, ci.Deployment{
					InstanceID: instance, ID: ci.DeploymentID(j.ID), ProjectID: p.ProjectID, PipelineID: &p.ID, JobID: &j.ID, Source: ci.FromGitLab, SyncedAt: at(1),
					Environment: rapid.SampledFrom([]string{"production", "staging", "review/x"}).Draw(t, "recorded environment"), Success: new(true), Status: new("success"),
					DeletedAt: rapid.SampledFrom([]*time.Time{nil, new(at(2))}).Draw(t, "recorded deleted"),
				})
			}
		}
	}
	return b
}

// drawRules writes a services.yaml whose findings, if any, do not matter here.
func drawRules(t *rapid.T) string {
	match := func() string {
		var parts []string
		for _, f := range []struct {
			name   string
			values []string
		}{
			{"project", []string{"a/x", `"a/*"`, `"!b/x"`}},
			{"topic", []string{"go", "web"}},
			{"ref", []string{"main", `"v*"`}},
			{"default_branch", []string{"true"}},
			{"pipeline", []string{"release"}},
			{"bridge", []string{"build", "deploy"}},
			{"job", []string{"build", `"d*"`}},
			{"stage", []string{"s"}},
			{"environment", []string{"production", `"review/*"`}},
		} {
			if rapid.IntRange(0, 4).Draw(t, "has "+f.name) == 0 {
				parts = append(parts, f.name+": "+rapid.SampledFrom(f.values).Draw(t, f.name))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nservices:\n  - {identifier: one, match: %s}\n  - {identifier: two, match: %s}\n  - {identifier: three}\nrules:\n", match(), match())
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		fmt.Fprintf(&b, "  - each: [{match: %s, service: one}, {match: %s, service: three}]\n", match(), match())
	}
	fmt.Fprintf(&b, "deploys:\n  - {match: {job: deploy, stage: s}, environment: production}\n  - {match: {pipeline: release}, environment: staging}\n")
	return b.String()
}

// building makes rows of a services.yaml as the API does, findings aside.
func building(t testing.TB, text string) func(CatalogRows) (CatalogRows, Mapper, error) {
	t.Helper()
	config, err := catalog.Parse([]catalog.File{{Name: "services.yaml", Content: []byte(text)}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return func(old CatalogRows) (CatalogRows, Mapper, error) {
		next, err := catalog.Stored(old).Replace(config, at(0))
		if err != nil {
			return CatalogRows{}, nil, err
		}
		c, err := next.Compile()
		return CatalogRows(next), c, err
	}
}

func compiling() func(CatalogRows) (Mapper, error) {
	return func(rows CatalogRows) (Mapper, error) { return catalog.Stored(rows).Compile() }
}

func put(t *testing.T, s *Store, text string) Change {
	t.Helper()
	change, err := s.ReplaceCatalog(t.Context(), false, building(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return change
}

func mapChanged(t *testing.T, s *Store) int64 {
	t.Helper()
	n, err := s.MapChanged(t.Context(), compiling())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mapped gives "pipeline:service,service" of what pipeline_services holds.
func mapped(t *testing.T, s *Store) []string {
	t.Helper()
	return texts(t, s, `SELECT p.pipeline_id || ':' || string_agg(s.identifier, ',' ORDER BY s.identifier)
		FROM pipeline_services p JOIN services s ON s.id = p.service_id GROUP BY p.instance_id, p.pipeline_id`)
}

func mappedOf(t *testing.T, s *Store, instance ci.InstanceID) []string {
	t.Helper()
	return texts(t, s, fmt.Sprintf(`SELECT p.pipeline_id || ':' || string_agg(s.identifier, ',' ORDER BY s.identifier)
		FROM pipeline_services p JOIN services s ON s.id = p.service_id WHERE p.instance_id = %d GROUP BY p.instance_id, p.pipeline_id`, instance))
}

func deployed(t *testing.T, s *Store) []string {
	t.Helper()
	return texts(t, s, `SELECT d.id || ': ' || d.environment || ' ' || coalesce(d.tier, '<nil>') || ' ' || coalesce(s.identifier, '<nil>') || ' ' || coalesce(CAST(d.job_id AS VARCHAR), '<nil>')
		|| ' ' || CASE WHEN d.success THEN 'true' WHEN NOT d.success THEN 'false' ELSE '<nil>' END || ' ' || d.source
		FROM deployments d LEFT JOIN services s ON s.id = d.service_id`)
}

func texts(t *testing.T, s *Store, sql string) []string {
	t.Helper()
	var list []string
	err := s.each(context.WithoutCancel(t.Context()), sql, nil, func(row []any) error {
		list = append(list, row[0].(string))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, cmp.Compare[string])
	return list
}

// TestMapChangedWhileImporting: imports and mappings at the same time leave no
// pipeline behind.
func TestMapChangedWhileImporting(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		b := history()
		apply(t, s, Batch{Instances: b.Instances, Projects: b.Projects})
		put(t, s, monorepo)
		var group errgroup.Group
		for part := range 3 {
			group.Go(func() error {
				for i := range 15 {
					id := ci.PipelineID(1000*(part+1) + i)
					p, j := b.Pipelines[1], b.Jobs[4]
					p.ID, j.ID, j.PipelineID = id, ci.JobID(id), id
					if _, err := s.Apply(t.Context(), Batch{Pipelines: []ci.Pipeline{p}}); err != nil {
						return err
					}
					if _, err := s.Apply(t.Context(), Batch{Jobs: []ci.Job{j}}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		group.Go(func() error {
			for range 5 {
				if _, err := s.MapChanged(t.Context(), compiling()); err != nil {
					return err
				}
			}
			return nil
		})
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		mapChanged(t, s)
		if again := put(t, s, monorepo); again.Mapped != 45 || again.NewlyMapped+again.Remapped+again.Orphaned+again.DeploymentsAdded != 0 {
			t.Errorf("what was left behind: %+v", again)
		}
	})
}

// TestMappingWaitsForMarks: an import that has changed a pipeline which waits
// for the rules already, and has not committed, is waited for. Else its mark
// would go with the old one.
func TestMappingWaitsForMarks(t *testing.T) {
	s := openTest(t, pgtest.Database(t)) // DuckDB has one writer anyhow
	b := history()
	apply(t, s, Batch{Instances: b.Instances, Projects: b.Projects})
	put(t, s, monorepo)
	apply(t, s, Batch{Pipelines: b.Pipelines[1:2]})
	var group errgroup.Group
	changed, commit := make(chan struct{}), make(chan struct{})
	group.Go(func() error {
		return s.engine.write(t.Context(), func(w writer) error {
			if _, err := w.exec(t.Context(), "UPDATE pipelines SET project_id = 1 WHERE id = 2"); err != nil {
				return err
			}
			if err := mark(t.Context(), w, &Batch{Pipelines: b.Pipelines[1:2]}); err != nil {
				return err
			}
			close(changed)
			<-commit
			return nil
		})
	})
	<-changed
	group.Go(func() error {
		_, err := s.MapChanged(t.Context(), compiling())
		return err
	})
	group.Go(func() error {
		defer close(commit)
		// Until the mapping waits, or has gone through without.
		for {
			waiting, err := s.PendingMappings(t.Context())
			if err != nil || !waiting {
				return err
			}
			n := texts(t, s, "SELECT CAST(count(*) AS VARCHAR) FROM pg_locks WHERE NOT granted")
			if n[0] != "0" {
				return nil
			}
		}
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	mapChanged(t, s)
	if diff := gocmp.Diff([]string{"2:shop"}, mapped(t, s)); diff != "" {
		t.Errorf("the pipeline that moved meanwhile (-want +got):\n%s", diff)
	}
}
