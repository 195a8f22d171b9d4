package ci

import "time"

// The catalog's rows, and the values in which its rules and the store speak
// with each other.

// ServiceID and RuleID are handed out by weir, from 1.
type (
	ServiceID int64
	RuleID    int64
)

// Service is a service of the catalog.
type Service struct {
	ID          ServiceID  `db:"id"`
	Identifier  string     `db:"identifier"`
	Name        *string    `db:"name"`
	Description *string    `db:"description"`
	Owner       *string    `db:"owner"`
	Tier        *string    `db:"tier"`
	Lifecycle   *string    `db:"lifecycle"`
	Source      string     `db:"source"`     // file, backstage, ui or api
	DeletedAt   *time.Time `db:"deleted_at"` // when the catalog stopped naming it
}

// ServiceRule maps runs to a service. Rules of one priority are one rule that
// yields several services.
type ServiceRule struct {
	ID        RuleID              `db:"id"`
	Priority  int64               `db:"priority"`
	Match     map[string][]string `db:"match"`
	ServiceID ServiceID           `db:"service_id"`
	Enabled   bool                `db:"enabled"`
	Source    string              `db:"source"`
	Name      *string             `db:"name"`
}

// DeployRule takes jobs or runs for deployments.
type DeployRule struct {
	ID          RuleID              `db:"id"`
	Priority    int64               `db:"priority"`
	Match       map[string][]string `db:"match"`
	Environment string              `db:"environment"`
	Tier        *string             `db:"tier"`
	ServiceID   *ServiceID          `db:"service_id"` // NULL: the run's
	Enabled     bool                `db:"enabled"`
	Source      string              `db:"source"`
	Name        *string             `db:"name"`
}

// RunFacts is what rules can look at in a run. "" is what GitLab did not say:
// no pattern matches it.
type RunFacts struct {
	Instance      string   // base URL
	Project       string   // full path
	Topics        []string // of the project
	Ref           string
	RefType       RefType
	Source        Source
	Pipeline      string // its name
	DefaultBranch *bool
	Bridge        string // name of the bridge that started it
}

// JobFacts is what rules can look at in a job.
type JobFacts struct {
	Name        string
	Stage       string
	Environment string // that GitLab says it deployed to
}

// FactsUsed says which facts of runs and jobs rules look at, so that others
// need not be read.
type FactsUsed struct {
	Ref, RefType, Source, Pipeline, DefaultBranch, Bridge bool
	Jobs, Environment                                     bool
}

// Candidate is a rule whose conditions on a run hold.
type Candidate struct {
	Rule   RuleID
	Deploy bool // a deploy rule
	// Position orders candidates; service rules of one position win together.
	Position int64
	// Condition is a condition that a job of the run has to fulfil; 0 for none.
	Condition   int64
	Service     ServiceID // 0, of a deploy rule: the run's
	Environment string    // of a deploy rule
	Tier        string    // of a deploy rule
}
