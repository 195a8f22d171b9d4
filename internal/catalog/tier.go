package catalog

import "regexp"

// What an environment of each tier is called, by GitLab's own guess
// (Environment#guess_tier); tried in this order.
var (
	developmentName = regexp.MustCompile(`(?i)dev|review|trunk`)
	testingName     = regexp.MustCompile(`(?i)test|tst|int|ac(ce|)pt|qa|qc|control|quality`)
	stagingName     = regexp.MustCompile(`(?i)st(a|)g|mod(e|)l|pre|demo|non`)
	productionName  = regexp.MustCompile(`(?i)pr(o|)d|live`)
)

// GuessTier gives the tier that GitLab gives an environment of this name when
// nobody says it: production for prod-eu, other for canary.
func GuessTier(environment string) string {
	switch {
	case developmentName.MatchString(environment):
		return "development"
	case testingName.MatchString(environment):
		return "testing"
	case stagingName.MatchString(environment):
		return "staging"
	case productionName.MatchString(environment):
		return "production"
	}
	return "other"
}
