package catalog

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// led is a run that a recipe is tried on, with a job of it.
type led struct {
	run      ci.RunFacts
	job      ci.JobFacts
	services string // that the run belongs to, separated by spaces
	deploys  string // environment and tier of the deployment that the job is, "" for none
}

// TestRecipes leads runs through every recipe of doc/catalog.md, as it stands
// there.
func TestRecipes(t *testing.T) {
	main, branch := new(true), new(false)
	runs := map[string][]led{
		"One service a repository": {
			{run: ci.RunFacts{Project: "acme/shop"}, services: "shop"},
			{run: ci.RunFacts{Project: "acme/shop", Source: "schedule", Ref: "x"}, services: "shop"},
			{run: ci.RunFacts{Project: "acme/tools/lint"}, services: "lint"},
			{run: ci.RunFacts{Project: "acme/other"}},
		},
		"Everything below a group": {
			{run: ci.RunFacts{Project: "acme/tools/docs"}, services: "website"},
			{run: ci.RunFacts{Project: "acme/tools/go/lint"}, services: "platform"},
			{run: ci.RunFacts{Project: "acme/shop"}},
		},
		"Monorepo": {
			{run: ci.RunFacts{Project: "acme/mono"}, job: ci.JobFacts{Name: "cart-test 1/3"}, services: "cart"},
			{run: ci.RunFacts{Project: "acme/mono"}, job: ci.JobFacts{Name: "pay build"}, services: "pay"},
			{run: ci.RunFacts{Project: "acme/mono", Bridge: "pay-pipeline"}, job: ci.JobFacts{Name: "build"}, services: "pay"},
			{run: ci.RunFacts{Project: "acme/mono", Bridge: "pay-pipeline"}, job: ci.JobFacts{Name: "cart-e2e"}, services: "cart pay"},
			{run: ci.RunFacts{Project: "acme/mono"}, job: ci.JobFacts{Name: "build"}},
			{run: ci.RunFacts{Project: "acme/shop"}, job: ci.JobFacts{Name: "cart"}},
		},
		"Deployments by job name": {
			{run: ci.RunFacts{Project: "acme/shop", DefaultBranch: main}, job: ci.JobFacts{Name: "deploy prod"}, services: "shop", deploys: "production production"},
			{run: ci.RunFacts{Project: "acme/shop", DefaultBranch: main}, job: ci.JobFacts{Name: "deploy:production"}, services: "shop", deploys: "production production"},
			{run: ci.RunFacts{Project: "acme/shop", DefaultBranch: branch}, job: ci.JobFacts{Name: "deploy prod"}, services: "shop"},
			{run: ci.RunFacts{Project: "acme/shop", DefaultBranch: branch}, job: ci.JobFacts{Name: "deploy staging"}, services: "shop", deploys: "staging staging"},
			{run: ci.RunFacts{Project: "acme/shop", DefaultBranch: main}, job: ci.JobFacts{Name: "undeploy prod"}, services: "shop"},
		},
		"Deployments by environment": {
			{job: ci.JobFacts{Name: "ship it", Environment: "production"}, deploys: "production production"},
			{job: ci.JobFacts{Name: "preview", Environment: "review/feature/x"}, deploys: "review development"},
			{job: ci.JobFacts{Name: "deploy production"}},
		},
		"Deployments by tag": {
			{run: ci.RunFacts{RefType: "tag", Ref: "v1.2.0"}, job: ci.JobFacts{Name: "publish"}, deploys: "production production"},
			{run: ci.RunFacts{RefType: "tag", Ref: "nightly"}, job: ci.JobFacts{Name: "publish"}},
			{run: ci.RunFacts{RefType: "branch", Ref: "v1"}, job: ci.JobFacts{Name: "publish"}},
			{run: ci.RunFacts{RefType: "tag", Ref: "v1.2.0"}, job: ci.JobFacts{Name: "build"}},
		},
	}
	document, err := os.ReadFile("../../doc/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	recipe := regexp.MustCompile("(?s)\n### ([^\n]+)\n[^`]*?(?:`[^`\n]+`[^`]*?)*```yaml\n(.*?)```")
	var found []string
	for _, m := range recipe.FindAllStringSubmatch(string(document), -1) {
		title, text := m[1], m[2]
		found = append(found, title)
		t.Run(title, func(t *testing.T) {
			if len(runs[title]) == 0 {
				t.Fatal("nothing is led through it")
			}
			c := compiledOf(t, storedOf(t, text))
			for _, one := range runs[title] {
				var services []string
				for _, a := range c.Assign(one.run, []ci.JobFacts{one.job}) {
					services = append(services, c.services[a.Service].Identifier)
				}
				slices.Sort(services)
				if have := strings.Join(services, " "); have != one.services {
					t.Errorf("%+v with %+v belongs to %q, want %q", one.run, one.job, have, one.services)
				}
				rule := c.DeployRule(one.run, one.job)
				if have := strings.TrimSpace(rule.Environment + " " + rule.Tier); have != one.deploys {
					t.Errorf("%+v of %+v deploys to %q, want %q", one.job, one.run, have, one.deploys)
				}
			}
		})
	}
	want := []string{
		"One service a repository", "Everything below a group", "Monorepo", "Deployments by job name", "Deployments by environment", "Deployments by tag",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("recipes (-want +found):\n%s", diff)
	}
}
