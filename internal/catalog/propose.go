package catalog

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Project is what a proposal needs of a repository.
type Project struct {
	FullPath string
	Topics   []string
}

// Propose writes a services.yaml with one service a project, by path: what is
// in it is a beginning to be edited, not knowledge. The identifier is the
// project's name, with as many of its groups before it as make it the only one;
// the owner is the group that the project lies in. No projects give a file with
// an empty list.
func Propose(projects []Project) ([]byte, error) {
	projects = slices.Clone(projects)
	slices.SortFunc(projects, func(a, b Project) int { return strings.Compare(a.FullPath, b.FullPath) })
	type service struct {
		Identifier string            `yaml:"identifier"`
		Name       string            `yaml:"name"`
		Owner      string            `yaml:"owner,omitempty"`
		Match      map[string]string `yaml:"match"`
	}
	file := struct {
		Version  int       `yaml:"version"`
		Services []service `yaml:"services"`
	}{Version: 1, Services: []service{}}
	identifiers := shortest(projects)
	for i, p := range projects {
		owner := path.Base(path.Dir(p.FullPath))
		if owner == "." {
			owner = ""
		}
		file.Services = append(file.Services, service{identifiers[i], path.Base(p.FullPath), owner, map[string]string{"project": p.FullPath}})
	}
	var b bytes.Buffer
	b.WriteString("# Proposed by weir: one service a repository. Owners are the groups they lie in.\n# Edit, then: weir rules preview services.yaml && weir services apply services.yaml\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(file); err != nil {
		return nil, fmt.Errorf("catalog: propose: %w", err)
	}
	return b.Bytes(), e.Close()
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// shortest gives each project the shortest end of its path that no other has.
func shortest(projects []Project) []string {
	list := make([]string, len(projects))
	taken := map[string]bool{}
	for depth := 1; ; depth++ {
		count := map[string]int{}
		candidates := make([]string, len(projects))
		for i, p := range projects {
			parts := strings.Split(strings.ToLower(p.FullPath), "/")
			ends := parts[max(0, len(parts)-depth):]
			candidates[i] = strings.TrimLeft(unfit.ReplaceAllString(strings.Join(ends, "-"), "-"), "-._")
			count[candidates[i]]++
		}
		open := false
		for i := range projects {
			if list[i] != "" {
				continue
			}
			// a/b-c and a-b/c meet even in full: then they are numbered.
			if depth > 30 {
				base := candidates[i]
				for n := 2; taken[candidates[i]]; n++ {
					candidates[i] = fmt.Sprintf("%s-%d", base, n)
				}
			} else if count[candidates[i]] > 1 || taken[candidates[i]] {
				open = true
				continue
			}
			list[i] = candidates[i]
			taken[candidates[i]] = true
		}
		if !open {
			return list
		}
	}
}
