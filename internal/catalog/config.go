package catalog

// File is a configuration file as it was given.
type File struct {
	Name    string
	Content []byte
}

// Where a service or rule was described, as the tables' column source says it.
const (
	FromFile      = "file"
	FromBackstage = "backstage"
)

// place is where something stands, for findings; the zero place is the database.
type place struct {
	file string
	line int
}

// Config is what files say, or what is stored. A section that no file has is
// nil, and putting the configuration in force leaves it as it is; an empty one
// removes everything of its kind.
type Config struct {
	Services []Service
	Rules    []Rule
	Deploys  []Deploy
}

// Service is a service, with the matches that it names for itself.
type Service struct {
	Identifier  string // unique
	Name        string
	Description string
	Owner       string
	Tier        string
	Lifecycle   string
	Source      string
	Matches     []Match // runs of which one matches are its own, unless a rule says otherwise

	at      place
	matchAt []place
}

// Rule maps runs to services. All cases that match win together.
type Rule struct {
	Name     string
	Cases    []Case
	Disabled bool
	Source   string

	at place
}

// Case is one way in which a rule matches.
type Case struct {
	Match    Match
	Services []string // identifiers

	at place
}

// Deploy takes jobs for deployments, or runs when it has no condition on jobs.
type Deploy struct {
	Name        string
	Match       Match
	Environment string
	Tier        string // "" is GitLab's guess from the environment's name: see GuessTier
	Service     string // identifier; "": the run's
	Disabled    bool
	Source      string

	at place
}

// tiers are GitLab's.
func tiers() []string { return []string{"production", "staging", "testing", "development", "other"} }
