package metric

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/ci"
)

func TestReadCostsRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no currency":     {"rules: [{per_minute: 1}]", "currency is missing"},
		"no price":        {"currency: EUR\nrules: [{match: {runner: 1}}]", "line 2: rule 1 has no per_minute"},
		"negative":        {"currency: EUR\nrules: [{per_minute: 1}, {per_minute: -1}]", "line 2: per_minute of rule 2 is -1"},
		"infinite":        {"currency: EUR\nrules:\n  - per_minute: 1\n  - per_minute: .inf", "line 4: per_minute of rule 2"},
		"unknown key":     {"currency: EUR\nrules:\n  - {per_hour: 1}", "line 3: there is no key per_hour."},
		"unknown match":   {"currency: EUR\nrules:\n  - {match: {tag: gpu}, per_minute: 1}", "line 3"},
		"runner no id":    {"currency: EUR\nrules: [{match: {runner: big}, per_minute: 1}]", `line 2: runner of rule 1 is "big"`},
		"a list of lists": {"currency: EUR\nrules: [{match: {group: [[a]]}, per_minute: 1}]", "line 2"},
		"broken":          {"currency: [", "line 1"},
		"two documents":   {"currency: EUR\n---\ncurrency: USD", "more than one"},
	} {
		_, err := ReadCosts([]byte(test.text))
		if ci.CodeOf(err) != ci.BadRequest || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestReadCostsOfNothing(t *testing.T) {
	c, err := ReadCosts(nil)
	if err != nil || len(c.Rules) != 0 {
		t.Errorf("%v, %v", c, err)
	}
}
