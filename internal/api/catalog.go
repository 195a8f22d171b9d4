package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/catalog"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// Operations on the catalog: services, rules, what they match, and why.

func (a *API) registerCatalog() {
	register(a, a.operation(http.MethodPut, "/catalog", "apply-catalog", "Put a catalog in force",
		"Sections that the files have (services, rules, deploys) replace those stored, and all history is mapped anew, in one transaction. When something is wrong nothing changes, and findings says all of it."),
		func(ctx context.Context, in *struct{ Body CatalogRequest }) (CatalogChange, error) {
			return a.replaceCatalog(ctx, in.Body, false)
		})
	register(a, a.operation(http.MethodPost, "/catalog/preview", "preview-catalog", "See what a catalog would change",
		"What PUT /catalog would answer, on all history, and nothing is kept."),
		func(ctx context.Context, in *struct{ Body CatalogRequest }) (CatalogChange, error) {
			return a.replaceCatalog(ctx, in.Body, true)
		})
	register(a, a.operation(http.MethodGet, "/catalog/services", "list-services", "List services", "By identifier."),
		func(ctx context.Context, _ *struct{}) (CatalogServices, error) {
			services, _, err := a.services(ctx)
			return CatalogServices{services}, err
		})
	register(a, a.operation(http.MethodGet, "/catalog/services/{identifier}", "show-service", "Show a service", ""),
		func(ctx context.Context, in *struct {
			Identifier string `path:"identifier"`
		},
		) (CatalogServiceDetail, error) {
			return a.service(ctx, in.Identifier)
		})
	register(a, a.operation(http.MethodGet, "/catalog/rules", "list-rules", "List rules", "Service rules, then deploy rules, in the order in which they are tried."),
		func(ctx context.Context, _ *struct{}) (CatalogRules, error) {
			rows, err := a.Store.Catalog(ctx)
			if err != nil {
				return CatalogRules{}, err
			}
			rules, err := a.rules(ctx, rows)
			return CatalogRules{rules}, err
		})
	register(a, a.operation(http.MethodGet, "/catalog/coverage", "coverage", "What maps to nothing", "The projects with the most unmapped pipelines come first."),
		func(ctx context.Context, _ *struct{}) (Coverage, error) { return a.coverage(ctx) })
	register(a, a.operation(http.MethodGet, "/catalog/proposal", "propose-services", "Propose a services.yaml", "One service for each project with CI that is not deleted."),
		func(ctx context.Context, _ *struct{}) (CatalogProposal, error) { return a.propose(ctx) })
	register(a, a.operation(http.MethodGet, "/catalog/explanation", "explain-pipeline", "Why a pipeline belongs where it does", "What became of every rule."),
		func(ctx context.Context, in *struct {
			Pipeline int64 `query:"pipeline" required:"true" minimum:"1"`
			Instance int64 `query:"instance" minimum:"0" doc:"needed where several GitLabs have a pipeline of that id"`
		},
		) (Explanation, error) {
			return a.explain(ctx, ci.InstanceID(in.Instance), ci.PipelineID(in.Pipeline))
		})
}

func (a *API) replaceCatalog(ctx context.Context, r CatalogRequest, preview bool) (CatalogChange, error) {
	var files []catalog.File
	for _, f := range r.Files {
		files = append(files, catalog.File{Name: f.Name, Content: []byte(f.Content)})
	}
	config, err := catalog.Parse(files)
	if err != nil {
		// What could not be read would make the whole look wrong where it is not:
		// how it holds together is looked at once every line can be read.
		return CatalogChange{}, a.refusedCatalog(ctx, r.Files, preview, err)
	}
	var next store.CatalogRows
	change, err := a.Store.ReplaceCatalog(ctx, preview, func(old store.CatalogRows) (store.CatalogRows, store.Mapper, error) {
		stored := catalog.Stored(old)
		whole, err := stored.Merge(config)
		if err != nil {
			return old, nil, err
		}
		replaced, err := stored.Replace(whole, a.Now())
		if err != nil {
			return old, nil, err
		}
		next = store.CatalogRows(replaced)
		c, err := replaced.Compile()
		return next, c, err
	})
	if err != nil {
		return CatalogChange{}, a.refusedCatalog(ctx, r.Files, preview, err)
	}
	if !preview {
		a.Refusals.Taken(catalogKind)
	}
	return showChange(change, next, preview), nil
}

// catalogKind is the kind of refused services and rules.
const catalogKind = "catalog"

// refusedCatalog tells every finding of a refused catalog, and remembers it
// unless it was only to be looked at.
func (a *API) refusedCatalog(ctx context.Context, files []CatalogFile, preview bool, err error) error {
	var r *catalog.Refused
	if !errors.As(err, &r) {
		return err
	}
	p := *ProblemOf(r.Unwrap())
	f := RefusedFile{Kind: catalogKind, At: a.Now().UTC(), Files: []string{}}
	for _, one := range files {
		f.Files = append(f.Files, one.Name)
	}
	for _, f := range r.Findings {
		p.Findings = append(p.Findings, Finding{f.Place(), f.Cause, f.Remedy})
	}
	if f.Findings = p.Findings; !preview {
		a.Refusals.Refused(ctx, f)
	}
	return &p
}

func showChange(c store.Change, rows store.CatalogRows, preview bool) CatalogChange {
	shown := CatalogChange{
		Preview: preview, Rules: len(rows.Rules), DeployRules: len(rows.Deploys), Pipelines: c.Pipelines,
		MappedBefore: c.MappedBefore, Mapped: c.Mapped, NewlyMapped: c.NewlyMapped, Remapped: c.Remapped, Orphaned: c.Orphaned,
		Deployments: c.Deployments, DeploymentsAdded: c.DeploymentsAdded, DeploymentsRemoved: c.DeploymentsRemoved, DeploymentsChanged: c.DeploymentsChanged,
		Examples: []ChangeExample{}, Conflicts: []RuleConflict{}, Idle: []CatalogRule{},
	}
	for _, s := range rows.Services {
		if s.DeletedAt == nil {
			shown.Services++
		}
	}
	for _, e := range c.Examples {
		shown.Examples = append(shown.Examples, ChangeExample{e.Kind, e.InstanceID, e.Pipeline, e.Project, e.Ref, e.Before, e.After})
	}
	byID := map[ci.RuleID]CatalogRule{}
	for _, r := range showRules(rows, c.Wins, c.Takes) {
		if r.Kind == "service" {
			byID[r.ID] = r
		}
		if r.Enabled && r.Matches == 0 {
			shown.Idle = append(shown.Idle, r)
		}
	}
	for _, x := range c.Conflicts {
		shown.Conflicts = append(shown.Conflicts, RuleConflict{byID[x.Winner], byID[x.Loser], x.Pipelines, x.InstanceID, x.Example})
	}
	return shown
}

// showRules gives rules in the order in which they are tried.
func showRules(rows store.CatalogRows, wins, takes map[ci.RuleID]int64) []CatalogRule {
	names := map[ci.ServiceID]string{}
	for _, s := range rows.Services {
		names[s.ID] = s.Identifier
	}
	list := []CatalogRule{}
	for _, r := range rows.Rules {
		list = append(list, CatalogRule{
			ID: r.ID, Kind: "service", Name: orNothing(r.Name), Priority: r.Priority, Match: r.Match, Service: names[r.ServiceID],
			Enabled: r.Enabled, Source: r.Source, Matches: wins[r.ID],
		})
	}
	for _, d := range rows.Deploys {
		one := CatalogRule{
			ID: d.ID, Kind: "deploy", Name: orNothing(d.Name), Priority: d.Priority, Match: d.Match, Environment: d.Environment, Tier: orNothing(d.Tier),
			Enabled: d.Enabled, Source: d.Source, Matches: takes[d.ID],
		}
		if d.ServiceID != nil {
			one.Service = names[*d.ServiceID]
		}
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b CatalogRule) int {
		switch {
		case a.Kind != b.Kind:
			return strings.Compare(b.Kind, a.Kind) // service before deploy
		case a.Priority != b.Priority:
			return int(a.Priority - b.Priority)
		}
		return int(a.ID - b.ID)
	})
	return list
}

func orNothing(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (a *API) rules(ctx context.Context, rows store.CatalogRows) ([]CatalogRule, error) {
	wins, err := a.Store.PipelinesByRule(ctx)
	if err != nil {
		return nil, err
	}
	takes, err := a.Store.DeploymentsByRule(ctx)
	return showRules(rows, wins, takes), err
}

func (a *API) services(ctx context.Context) ([]CatalogService, store.CatalogRows, error) {
	rows, err := a.Store.Catalog(ctx)
	if err != nil {
		return nil, rows, err
	}
	pipelines, err := a.Store.PipelinesByService(ctx)
	if err != nil {
		return nil, rows, err
	}
	list := []CatalogService{}
	for _, s := range rows.Services {
		if s.DeletedAt == nil {
			list = append(list, CatalogService{s.ID, s.Identifier, s.Name, s.Description, s.Owner, s.Tier, s.Lifecycle, s.Source, pipelines[s.ID]})
		}
	}
	slices.SortFunc(list, func(a, b CatalogService) int { return strings.Compare(a.Identifier, b.Identifier) })
	return list, rows, nil
}

func (a *API) service(ctx context.Context, identifier string) (CatalogServiceDetail, error) {
	list, rows, err := a.services(ctx)
	if err != nil {
		return CatalogServiceDetail{}, err
	}
	i := slices.IndexFunc(list, func(s CatalogService) bool { return s.Identifier == identifier })
	if i < 0 {
		return CatalogServiceDetail{}, &ci.Problem{
			Code:   ci.NotFound,
			Cause:  fmt.Sprintf("There is no service %q.", identifier),
			Remedy: "See which there are: weir services.",
		}
	}
	rules, err := a.rules(ctx, rows)
	return CatalogServiceDetail{list[i], slices.DeleteFunc(rules, func(r CatalogRule) bool { return r.Service != identifier })}, err
}

func (a *API) coverage(ctx context.Context) (Coverage, error) {
	c, err := a.Store.Coverage(ctx)
	shown := Coverage{
		Pipelines: c.Pipelines, Mapped: c.Mapped, WithoutRepository: c.WithoutRepository, Pending: c.Pending,
		Deployments: c.Deployments, DeploymentsWithoutService: c.WithoutService, Projects: []ProjectCoverage{},
	}
	for _, p := range c.Projects {
		shown.Projects = append(shown.Projects, ProjectCoverage(p))
	}
	return shown, err
}

func (a *API) propose(ctx context.Context) (CatalogProposal, error) {
	instances, err := a.Store.Instances(ctx)
	if err != nil {
		return CatalogProposal{}, err
	}
	var projects []catalog.Project
	seen := map[string]bool{}
	for _, i := range instances {
		list, err := a.Store.Projects(ctx, i.ID)
		if err != nil {
			return CatalogProposal{}, err
		}
		for _, p := range list {
			if p.DeletedAt == nil && p.CIAccess != ci.CIDisabled && !seen[p.FullPath] {
				seen[p.FullPath] = true
				projects = append(projects, catalog.Project{FullPath: p.FullPath})
			}
		}
	}
	text, err := catalog.Propose(projects)
	return CatalogProposal{string(text)}, err
}

func (a *API) explain(ctx context.Context, instance ci.InstanceID, id ci.PipelineID) (Explanation, error) {
	if instance == 0 {
		var err error
		if instance, err = a.Store.InstanceOf(ctx, id); err != nil {
			return Explanation{}, err
		}
	}
	run, jobs, err := a.Store.Facts(ctx, instance, id)
	if err != nil {
		return Explanation{}, err
	}
	a.Engine.Viewed(run.Project)
	rows, err := a.Store.Catalog(ctx)
	if err != nil {
		return Explanation{}, err
	}
	c, err := catalog.Stored(rows).Compile()
	if err != nil {
		return Explanation{}, err
	}
	shown := Explanation{
		InstanceID: instance, PipelineID: id, Project: run.Project, Topics: orEmpty(run.Topics), Ref: run.Ref, RefType: run.RefType,
		Source: run.Source, Pipeline: run.Pipeline, DefaultBranch: run.DefaultBranch, Bridge: run.Bridge,
		Services: []string{}, Verdicts: []Verdict{}, At: a.Now().UTC(),
	}
	for _, v := range c.Explain(run, jobs) {
		kind := "service"
		if v.Deploy {
			kind = "deploy"
		}
		shown.Verdicts = append(shown.Verdicts, Verdict{v.Rule, kind, v.Name, v.Priority, v.Service, v.Matched, v.Won, v.Why})
		if v.Won && !v.Deploy && !slices.Contains(shown.Services, v.Service) {
			shown.Services = append(shown.Services, v.Service)
		}
	}
	slices.Sort(shown.Services)
	return shown, nil
}
