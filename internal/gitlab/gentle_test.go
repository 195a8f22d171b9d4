package gitlab

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGentleTellsTheTruth: the values in doc/gentle.md are those of the code.
func TestGentleTellsTheTruth(t *testing.T) {
	breaker := NewBreaker(BreakerConfig{}).config
	fixed := [][]string{
		{"share of each limit", fmt.Sprintf("%.0f %%", defaultShare*100)},
		{"burst after a pause", fmt.Sprintf("%d s of the pace", burstSeconds)},
		{"requests in flight at the start", fmt.Sprint(defaultStartConcurrency)},
		{"requests in flight at most", fmt.Sprint(defaultMaxConcurrency)},
		{"in flight to an endpoint with an unannounced limit", fmt.Sprint(narrowLane)},
		{"the same after a refusal", fmt.Sprint(learntLane)},
		{"a limit learnt from refusals holds for", learntFor.String()},
		{"attempts after the first, on 5xx and broken connections", fmt.Sprint(defaultMaxRetries)},
		{"pause before the first of them, at most", firstBackoff.String()},
		{"pause before the last of them, at most", longestBackoff.String()},
		{"one attempt takes at most", time.Duration(defaultTimeout).String()},
		{"failures in a row that mean an outage", fmt.Sprint(breaker.Failures)},
		{"first pause of an outage", breaker.First.String()},
		{"longest pause of an outage", breaker.Longest.String()},
		{"an import waits for an outage's end for", breaker.Patience.String()},
		{"and for a GitLab that has not answered once", breaker.Unmet.String()},
	}
	if diff := cmp.Diff(fixed, gentleTable(t, "| value | is | why |", 2)); diff != "" {
		t.Errorf("fixed values (-code +doc/gentle.md):\n%s", diff)
	}
	var budgets [][]string
	for endpoint, limit := range EndpointLimits() {
		share := int(float64(limit.Requests) * defaultShare)
		budgets = append(budgets, []string{"`" + endpoint + "`", fmt.Sprintf("%d in %s", limit.Requests, limit.Per), fmt.Sprint(share)})
	}
	slices.SortFunc(budgets, func(a, b []string) int { return strings.Compare(strings.Trim(a[0], "`"), strings.Trim(b[0], "`")) })
	if diff := cmp.Diff(budgets, gentleTable(t, "| endpoint | GitLab's limit | weir's share |", 3)); diff != "" {
		t.Errorf("endpoint limits (-code +doc/gentle.md):\n%s", diff)
	}
}

// TestGentleTellsEveryEndpoint: nothing is asked that doc/gentle.md does not name.
func TestGentleTellsEveryEndpoint(t *testing.T) {
	var told []string
	for _, row := range gentleTable(t, "| endpoint | for what |", 1) {
		for _, code := range regexp.MustCompile("`[^`]+`").FindAllString(row[0], -1) {
			told = append(told, strings.TrimLeft(strings.Trim(code, "`"), "GETPOS "))
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`endpoint\w*\s*[:=]\s*"(?:GET )?(/[^"]+)"`)
	asked := map[string]bool{"/projects/:id/hooks": true, "/groups/:id/hooks": true} // composed in hooks.go
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range named.FindAllStringSubmatch(string(source), -1) {
			asked[found[1]] = true
		}
	}
	slices.Sort(told)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(asked)), told); diff != "" {
		t.Errorf("endpoints (-code +doc/gentle.md):\n%s", diff)
	}
}

// gentleTable gives the first cells of the rows of a table in doc/gentle.md.
func gentleTable(t *testing.T, header string, cells int) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "doc", "gentle.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), header+"\n")
	if !ok {
		t.Fatalf("doc/gentle.md has no table %s", header)
	}
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			return rows
		}
		if strings.HasPrefix(line, "| ---") {
			continue
		}
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		rows = append(rows, row[:cells])
	}
	return rows
}
