package api

import (
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// CatalogFile is a configuration file: services.yaml, or Backstage's
// catalog-info.yaml.
type CatalogFile struct {
	Name    string `json:"name" minLength:"1" doc:"for messages"`
	Content string `json:"content"`
}

// CatalogRequest is files that make a catalog together.
type CatalogRequest struct {
	Files []CatalogFile `json:"files" minItems:"1" nullable:"false"`
}

// Finding is something wrong with a catalog.
type Finding struct {
	Place  string `json:"place" doc:"file:line"`
	Cause  string `json:"cause" doc:"one sentence: what is wrong"`
	Remedy string `json:"remedy" doc:"one sentence: what to do"`
}

// CatalogChange is what a catalog changes, or would change.
type CatalogChange struct {
	Preview            bool            `json:"preview" doc:"nothing was stored"`
	Services           int             `json:"services" doc:"in the catalog, after"`
	Rules              int             `json:"rules" doc:"service rules, after"`
	DeployRules        int             `json:"deploy_rules" doc:"after"`
	Pipelines          int64           `json:"pipelines" doc:"all that are stored"`
	MappedBefore       int64           `json:"mapped_before" doc:"pipelines with a service, before"`
	Mapped             int64           `json:"mapped" doc:"and after"`
	NewlyMapped        int64           `json:"newly_mapped" doc:"had no service and get one"`
	Remapped           int64           `json:"remapped" doc:"had services and get others"`
	Orphaned           int64           `json:"orphaned" doc:"had services and get none"`
	Deployments        int64           `json:"deployments" doc:"that rules find, after"`
	DeploymentsAdded   int64           `json:"deployments_added"`
	DeploymentsRemoved int64           `json:"deployments_removed"`
	DeploymentsChanged int64           `json:"deployments_changed" doc:"to another environment, tier or service"`
	Examples           []ChangeExample `json:"examples" nullable:"false" doc:"up to five of each kind, the newest first"`
	Conflicts          []RuleConflict  `json:"conflicts" nullable:"false" doc:"rules that match the same pipelines for different services: their order decides"`
	Idle               []CatalogRule   `json:"idle" nullable:"false" doc:"enabled rules that lead nothing stored anywhere"`
}

// ChangeExample is a pipeline whose services change.
type ChangeExample struct {
	Kind       string        `json:"kind" enum:"newly_mapped,remapped,orphaned"`
	InstanceID ci.InstanceID `json:"instance_id"`
	PipelineID ci.PipelineID `json:"pipeline_id"`
	Project    string        `json:"project"`
	Ref        string        `json:"ref" doc:"empty if unknown"`
	Before     string        `json:"before" doc:"identifiers, by comma"`
	After      string        `json:"after"`
}

// RuleConflict is two rules that match the same pipelines for different services.
type RuleConflict struct {
	Winner     CatalogRule   `json:"winner"`
	Loser      CatalogRule   `json:"loser"`
	Pipelines  int64         `json:"pipelines"`
	InstanceID ci.InstanceID `json:"instance_id"`
	Example    ci.PipelineID `json:"example" doc:"the newest of them"`
}

// CatalogRule is a service rule or a deploy rule.
type CatalogRule struct {
	ID          ci.RuleID           `json:"id"`
	Kind        string              `json:"kind" enum:"service,deploy"`
	Name        string              `json:"name" doc:"empty if it has none"`
	Priority    int64               `json:"priority" doc:"tried from the lowest; service rules of one priority win together"`
	Match       map[string][]string `json:"match" doc:"patterns by field"`
	Service     string              `json:"service" doc:"identifier; empty, of a deploy rule: the pipeline's"`
	Environment string              `json:"environment,omitempty"`
	Tier        string              `json:"tier,omitempty"`
	Enabled     bool                `json:"enabled"`
	Source      string              `json:"source" doc:"where it was written: file, backstage, ui or api"`
	Matches     int64               `json:"matches" doc:"pipelines that it leads to its service, or deployments that it found"`
}

// CatalogRules is every rule: service rules, then deploy rules, in the order in
// which they are tried.
type CatalogRules struct {
	Rules []CatalogRule `json:"rules" nullable:"false"`
}

// CatalogService is a service of the catalog.
type CatalogService struct {
	ID          ci.ServiceID `json:"id"`
	Identifier  string       `json:"identifier"`
	Name        *string      `json:"name"`
	Description *string      `json:"description"`
	Owner       *string      `json:"owner"`
	Tier        *string      `json:"tier"`
	Lifecycle   *string      `json:"lifecycle"`
	Source      string       `json:"source" doc:"where it was described: file, backstage, ui or api"`
	Pipelines   int64        `json:"pipelines" doc:"that belong to it"`
}

// CatalogServices is the services, by identifier.
type CatalogServices struct {
	Services []CatalogService `json:"services" nullable:"false"`
}

// CatalogServiceDetail is a service with the rules that lead to it.
type CatalogServiceDetail struct {
	CatalogService
	Rules []CatalogRule `json:"rules" nullable:"false"`
}

// CatalogProposal is a services.yaml to begin with.
type CatalogProposal struct {
	YAML string `json:"yaml"`
}

// Coverage says how much of history belongs to something.
type Coverage struct {
	Pipelines                 int64             `json:"pipelines"`
	Mapped                    int64             `json:"mapped" doc:"to a service"`
	WithoutRepository         int64             `json:"without_repository" doc:"whose repository no gitlab connection brought"`
	Pending                   int64             `json:"pending" doc:"that changed and wait for the rules"`
	Deployments               int64             `json:"deployments"`
	DeploymentsWithoutService int64             `json:"deployments_without_service"`
	Projects                  []ProjectCoverage `json:"projects" nullable:"false" doc:"those with pipelines that no service has, the most of them first"`
}

// ProjectCoverage is a project's share of what belongs to nothing.
type ProjectCoverage struct {
	InstanceID ci.InstanceID `json:"instance_id"`
	Project    string        `json:"project" doc:"full path, empty if unknown"`
	Pipelines  int64         `json:"pipelines"`
	Unmapped   int64         `json:"unmapped"`
	Example    ci.PipelineID `json:"example" doc:"the newest that is not mapped"`
}

// Explanation says why a pipeline belongs where it does.
type Explanation struct {
	InstanceID    ci.InstanceID `json:"instance_id"`
	PipelineID    ci.PipelineID `json:"pipeline_id"`
	Project       string        `json:"project"`
	Topics        []string      `json:"topics" nullable:"false"`
	Ref           string        `json:"ref"`
	RefType       ci.RefType    `json:"ref_type"`
	Source        ci.Source     `json:"source"`
	Pipeline      string        `json:"pipeline" doc:"its name"`
	DefaultBranch *bool         `json:"default_branch"`
	Bridge        string        `json:"bridge" doc:"name of the job that started it"`
	Services      []string      `json:"services" nullable:"false" doc:"identifiers"`
	Verdicts      []Verdict     `json:"verdicts" nullable:"false" doc:"on every enabled rule, in the order in which they are tried"`
	At            time.Time     `json:"at"`
}

// Verdict is what became of one rule.
type Verdict struct {
	RuleID   ci.RuleID `json:"rule_id"`
	Kind     string    `json:"kind" enum:"service,deploy"`
	Name     string    `json:"name"`
	Priority int64     `json:"priority"`
	Service  string    `json:"service"`
	Matched  bool      `json:"matched"`
	Won      bool      `json:"won"`
	Why      string    `json:"why"`
}
