package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGentleTellsEverySetting: doc/gentle.md has every setting that changes how
// much GitLab is asked, with its default.
func TestGentleTellsEverySetting(t *testing.T) {
	var want []string
	for _, k := range settingKinds() {
		if k.asks {
			fallback := k.fallback
			if fallback == "" {
				fallback = "none"
			}
			want = append(want, "`--"+k.name+"` "+fallback)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "doc", "gentle.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| setting | default | why |\n")
	var got []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		if !strings.HasPrefix(line, "| ---") {
			got = append(got, strings.TrimSpace(cells[1])+" "+strings.TrimSpace(cells[2]))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-code +doc/gentle.md):\n%s", diff)
	}
}
