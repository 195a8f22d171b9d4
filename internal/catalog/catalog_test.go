package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
)

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		field    string
		patterns string // separated by spaces
		value    string
		want     bool
	}{
		{"project", "acme/shop", "acme/shop", true},
		{"project", "acme/shop", "Acme/Shop", true},
		{"project", "acme/shop", "acme/shop2", false},
		{"project", "acme/*", "acme/shop", true},
		{"project", "acme/*", "acme/web/shop", false},
		{"project", "acme/**", "acme/web/shop", true},
		{"project", "ACME/s?op", "acme/shop", true},
		{"project", "acme/s?op", "acme/s/op", false},
		{"project", "/shop$/", "acme/shop", true},
		{"project", "/^shop/", "acme/shop", false},
		{"project", "** !acme/*", "acme/shop", false},
		{"project", "!acme/*", "other/shop", true},
		{"group", "acme", "acme/web/shop", true},
		{"group", "acme/web", "acme/web/shop", true},
		{"group", "acme/web/shop", "acme/web/shop", false},
		{"group", "acme/*", "acme/web/shop", true},
		{"group", "** !acme/web", "acme/web/shop", false},
		{"ref", "main", "Main", false},
		{"ref", "release/*", "release/a/b", true},
		{"ref", "v?.*", "v1.2", true},
		{"ref", "a.c", "abc", false},
		{"ref", "/^v\\d+$/", "v12", true},
		{"ref", "main develop", "develop", true},
		{"ref", "*", "", false}, // what GitLab did not say fits nothing …
		{"ref", "!main", "", true},
		{"topic", "go rust", "rust", true},
		{"job", "rspec", "rspec 1/3", true},
		{"job", "rspec*", "rspec 1/3", true},
		{"job", "rspec 1/3", "rspec 1/3", true},
		{"job", "deploy*", "build", false},
		{"default_branch", "true", "true", true},
		{"default_branch", "true", "", false},
	} {
		t.Run(test.field+" "+test.patterns+" "+test.value, func(t *testing.T) {
			m, errs := Match{test.field: strings.Fields(test.patterns)}.compile()
			if test.patterns == "rspec 1/3" {
				m, errs = Match{test.field: {test.patterns}}.compile()
			}
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			run, job := ci.RunFacts{}, ci.JobFacts{}
			switch test.field {
			case "project", "group":
				run.Project = test.value
			case "ref":
				run.Ref = test.value
			case "topic":
				run.Topics = []string{"go-ish", test.value}
			case "job":
				job.Name = test.value
			case "default_branch":
				if test.value != "" {
					run.DefaultBranch = new(test.value == "true")
				}
			}
			if got := m.fitsRun(&run) && m.fitsJob(&job); got != test.want {
				t.Errorf("matches: %v, want %v", got, test.want)
			}
		})
	}
}

// rules is the catalog of the tests below: five services, rules of every kind.
const testRules = `version: 1
services:
  - {identifier: shop, match: {project: acme/shop}}
  - {identifier: shop-ui, match: {project: acme/shop}}
  - identifier: cart
  - identifier: pay
  - identifier: platform
rules:
  - name: mono
    match: {project: acme/mono}
    each:
      - {match: {job: "cart*"}, service: cart}
      - {match: {job: "pay*"}, service: pay}
      - {match: {bridge: pay-child}, service: pay}
  - {name: nightly, match: {project: acme/mono, source: schedule}, services: [platform, pay]}
  - {name: tools, match: {group: acme/tools}, service: platform}
deploys:
  - {name: eu, match: {job: "deploy*", stage: eu}, environment: eu, tier: production, service: shop}
  - {name: any, match: {job: "deploy*"}, environment: production}
  - {name: released, match: {pipeline: release}, environment: production}
`

func TestAssign(t *testing.T) {
	stored := storedOf(t, testRules)
	c := compiledOf(t, stored)
	for _, test := range []struct {
		name string
		run  ci.RunFacts
		jobs string // separated by spaces
		want string
	}{
		{"own matches win together", ci.RunFacts{Project: "acme/shop"}, "build", "shop shop-ui"},
		{"one job decides", ci.RunFacts{Project: "acme/mono"}, "build cart-test", "cart"},
		{"several jobs, several services", ci.RunFacts{Project: "acme/mono"}, "cart-test pay-test pay-build", "cart pay"},
		{"started by a bridge", ci.RunFacts{Project: "acme/mono", Bridge: "pay-child"}, "build", "pay"},
		{"both ways to one service", ci.RunFacts{Project: "acme/mono", Bridge: "pay-child"}, "pay-1", "pay"},
		{"the first rule wins", ci.RunFacts{Project: "acme/mono", Source: "schedule"}, "cart-test", "cart"},
		{"the second, where the first does not match", ci.RunFacts{Project: "acme/mono", Source: "schedule"}, "scan", "pay platform"},
		{"by group, deep", ci.RunFacts{Project: "acme/tools/go/lint"}, "", "platform"},
		{"nothing", ci.RunFacts{Project: "acme/other", Source: "schedule"}, "cart-test", ""},
		{"no facts at all", ci.RunFacts{}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, a := range c.Assign(test.run, jobsNamed(test.jobs)) {
				got = append(got, c.services[a.Service].Identifier)
				rule := stored.Rules[slices.IndexFunc(stored.Rules, func(r ci.ServiceRule) bool { return r.ID == a.Rule })]
				if rule.ServiceID != a.Service {
					t.Errorf("rule %d does not yield service %d", a.Rule, a.Service)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeployRule(t *testing.T) {
	c := compiledOf(t, storedOf(t, testRules))
	for _, test := range []struct{ name, stage, want string }{
		{"deploy", "eu", "eu production"}, {"deploy", "us", "production production"}, {"build", "eu", " "},
	} {
		got := c.DeployRule(ci.RunFacts{Project: "acme/x"}, ci.JobFacts{Name: test.name, Stage: test.stage})
		if text := got.Environment + " " + got.Tier; text != test.want {
			t.Errorf("%s in %s: %q, want %q", test.name, test.stage, text, test.want)
		}
	}
}

func TestExplain(t *testing.T) {
	c := compiledOf(t, storedOf(t, testRules))
	var got []string
	for _, v := range c.Explain(ci.RunFacts{Project: "acme/mono", Source: "schedule"}, []ci.JobFacts{{Name: "pay 1/2"}, {Name: "deploy", Stage: "us"}}) {
		got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s %s %v %v: %s", v.Name, v.Service, v.Matched, v.Won, v.Why)), " "))
	}
	want := []string{
		"mono cart false false: no job of the run has job cart*",
		"mono pay true true: the first rule that matches",
		"mono pay false false: its bridge is unknown, and the rule wants pay-child",
		"nightly platform true false: it matches too, but rule 2 comes first",
		"nightly pay true false: it matches too, but rule 2 comes first",
		"tools platform false false: its group is acme, and the rule wants acme/tools",
		"shop false false: its project is acme/mono, and the rule wants acme/shop",
		"shop-ui false false: its project is acme/mono, and the rule wants acme/shop",
		"eu shop false false: no job of the run has job deploy* and stage eu",
		"any true true: it takes deploy",
		"released false false: its pipeline is unknown, and the rule wants release",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// TestReplaceKeepsIDs: what stays as it was keeps its number, what goes is
// marked, and what comes back is the same service again.
func TestReplaceKeepsIDs(t *testing.T) {
	first := storedOf(t, testRules)
	same, err := first.Replace(first.Config(), at())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, same); diff != "" {
		t.Errorf("what rows say, said again (-first +second):\n%s", diff)
	}
	config := first.Config()
	gone := config.Services[4]
	config.Services, config.Rules, config.Deploys = config.Services[:4], config.Rules[:1], nil
	config.Rules[0].Cases = config.Rules[0].Cases[1:]
	second, err := first.Replace(config, at())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(second.Services); n != 5 || second.Services[4].DeletedAt == nil || second.Services[4].ID != 5 {
		t.Errorf("the service that went: %+v", second.Services)
	}
	if second.Rules[0].ID != 2 || second.Rules[0].Priority != 10 || len(second.Deploys) != 0 {
		t.Errorf("the rule that stayed: %+v", second.Rules[0])
	}
	config = second.Config()
	config.Services = append(config.Services, gone, Service{Identifier: "new"})
	third, err := second.Replace(config, at())
	if err != nil || third.Services[4].ID != 5 || third.Services[4].DeletedAt != nil || third.Services[5].ID != 6 {
		t.Errorf("the service that came back: %+v, %v", third.Services, err)
	}
}

// TestDisabled: a disabled rule takes no part.
func TestDisabled(t *testing.T) {
	stored := storedOf(t, strings.Replace(testRules, "{name: tools,", "{name: tools, enabled: false,", 1))
	if got := compiledOf(t, stored).Assign(ci.RunFacts{Project: "acme/tools/lint"}, nil); len(got) > 0 {
		t.Errorf("assigned %v", got)
	}
}

// TestOrderOfRows: neither the order of rows nor that of jobs matters, and the
// index by project gives what trying every rule gives.
func TestOrderOfRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored := drawStored(t)
		run := drawRun(t)
		jobs := rapid.SliceOfN(rapid.Custom(drawJob), 0, 4).Draw(t, "jobs")
		c, err := stored.Compile()
		if err != nil {
			t.Fatal(err)
		}
		want := c.Assign(run, jobs)
		shuffled := Stored{Services: stored.Services, Rules: rapid.Permutation(stored.Rules).Draw(t, "rules"), Deploys: rapid.Permutation(stored.Deploys).Draw(t, "deploys")}
		other, err := shuffled.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, other.Assign(run, rapid.Permutation(jobs).Draw(t, "other jobs"))); diff != "" {
			t.Fatalf("another order of rows, another answer:\n%s", diff)
		}
		// By hand: the lowest priority at which a rule matches, all of it.
		var best int64 = -1
		services := map[ci.ServiceID]bool{}
		for _, r := range stored.Rules {
			m, _ := Match(r.Match).compile()
			if !r.Enabled || !m.fitsRun(&run) || len(m.job) > 0 && !slices.ContainsFunc(jobs, func(j ci.JobFacts) bool { return m.fitsJob(&j) }) {
				continue
			}
			if best < 0 || r.Priority < best {
				best, services = r.Priority, map[ci.ServiceID]bool{}
			}
			if r.Priority == best {
				services[r.ServiceID] = true
			}
		}
		got := map[ci.ServiceID]bool{}
		for _, a := range want {
			got[a.Service] = true
		}
		if diff := cmp.Diff(services, got); diff != "" {
			t.Fatalf("by hand (-) and by catalog (+):\n%s", diff)
		}
	})
}

func BenchmarkCandidates(b *testing.B) {
	var stored Stored
	for i := range 10_000 {
		stored.Services = append(stored.Services, ci.Service{ID: ci.ServiceID(i + 1), Identifier: fmt.Sprint("s", i)})
		stored.Rules = append(stored.Rules, ci.ServiceRule{ID: ci.RuleID(i + 1), Priority: OwnPriority, Enabled: true, ServiceID: ci.ServiceID(i + 1), Match: Match{"project": {fmt.Sprint("acme/p", i)}}})
	}
	c, err := stored.Compile()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if len(c.Candidates(ci.RunFacts{Project: "acme/p77", Ref: "main"})) != 1 {
			b.Fatal("not found")
		}
	}
}

func storedOf(t *testing.T, text string) Stored {
	t.Helper()
	config, err := Parse([]File{{"services.yaml", []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Stored{}.Merge(config)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := Stored{}.Replace(whole, at())
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func compiledOf(t *testing.T, s Stored) *Catalog {
	t.Helper()
	c, err := s.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func at() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

func jobsNamed(names string) []ci.JobFacts {
	var list []ci.JobFacts
	for _, n := range strings.Fields(names) {
		list = append(list, ci.JobFacts{Name: n})
	}
	return list
}

func drawStored(t *rapid.T) Stored {
	var s Stored
	for i := range 3 {
		s.Services = append(s.Services, ci.Service{ID: ci.ServiceID(i + 1), Identifier: fmt.Sprint("s", i+1)})
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
		s.Rules = append(s.Rules, ci.ServiceRule{
			ID: ci.RuleID(i + 1), Priority: rapid.Int64Range(1, 3).Draw(t, "priority"), Match: drawMatch(t),
			ServiceID: ci.ServiceID(rapid.IntRange(1, 3).Draw(t, "service")), Enabled: rapid.IntRange(0, 5).Draw(t, "enabled") > 0,
		})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "deploys") {
		s.Deploys = append(s.Deploys, ci.DeployRule{ID: ci.RuleID(i + 1), Priority: int64(i), Match: drawMatch(t), Environment: "e", Enabled: true})
	}
	return s
}

func drawMatch(t *rapid.T) Match {
	m := Match{}
	for _, f := range []struct {
		name     string
		patterns []string
	}{
		{"project", []string{"a/x", "a/*", "**", "!a/x", "/y$/"}},
		{"group", []string{"a", "b"}},
		{"ref", []string{"main", "v*", "!main"}},
		{"job", []string{"build", "d*"}},
		{"stage", []string{"s"}},
	} {
		if rapid.IntRange(0, 3).Draw(t, "has "+f.name) == 0 {
			m[f.name] = rapid.SliceOfNDistinct(rapid.SampledFrom(f.patterns), 1, min(2, len(f.patterns)), rapid.ID[string]).Draw(t, f.name)
		}
	}
	return m
}

func drawRun(t *rapid.T) ci.RunFacts {
	return ci.RunFacts{Project: rapid.SampledFrom([]string{"a/x", "a/y", "b/x", "A/X"}).Draw(t, "project"), Ref: rapid.SampledFrom([]string{"main", "v1", ""}).Draw(t, "ref")}
}

func drawJob(t *rapid.T) ci.JobFacts {
	return ci.JobFacts{Name: rapid.SampledFrom([]string{"build", "build 1/2", "deploy"}).Draw(t, "job"), Stage: rapid.SampledFrom([]string{"s", ""}).Draw(t, "stage")}
}
