package catalog

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// backstageEntity is what weir reads of a Backstage entity; all else that
// stands there is Backstage's own business.
type backstageEntity struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name        string            `yaml:"name"`
		Title       string            `yaml:"title"`
		Description string            `yaml:"description"`
		Annotations map[string]string `yaml:"annotations"`
		Labels      map[string]string `yaml:"labels"`
	} `yaml:"metadata"`
	Spec struct {
		Owner     string `yaml:"owner"`
		Lifecycle string `yaml:"lifecycle"`
	} `yaml:"spec"`
}

// The annotations that lead from a component to its project, best first.
const (
	projectSlug    = "gitlab.com/project-slug"
	sourceLocation = "backstage.io/source-location"
)

// backstage reads an entity: a Component is a service, other kinds are none.
func (r *reader) backstage(n *yaml.Node) {
	r.config.Services = orEmpty(r.config.Services)
	var e backstageEntity
	if err := n.Decode(&e); err != nil {
		r.wrong(n.Line, "See Backstage's descriptor format.", "This is no entity of Backstage's: %s.", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if e.Kind != "Component" {
		return
	}
	s := Service{
		Identifier: e.Metadata.Name, Name: e.Metadata.Title, Description: strings.TrimSpace(e.Metadata.Description),
		Owner: ownerName(e.Spec.Owner), Tier: e.Metadata.Labels["tier"], Lifecycle: e.Spec.Lifecycle,
		Source: FromBackstage, at: place{r.file, n.Line},
	}
	if path := projectOf(e.Metadata.Annotations); path != "" {
		s.Matches, s.matchAt = []Match{{"project": {path}}}, []place{s.at}
	}
	r.addService(s)
}

// ownerName cuts what Backstage implies: group:default/payments is payments.
func ownerName(owner string) string {
	owner = strings.TrimPrefix(owner, "group:")
	return strings.TrimPrefix(owner, "default/")
}

// projectOf gives the full path of a component's project, "" when no annotation
// says it. A source location is url:https://HOST/PATH/-/tree/main/.
func projectOf(annotations map[string]string) string {
	if slug := strings.Trim(annotations[projectSlug], "/ "); slug != "" {
		return slug
	}
	location, ok := strings.CutPrefix(annotations[sourceLocation], "url:")
	if !ok {
		return ""
	}
	_, rest, ok := strings.Cut(location, "://")
	if !ok {
		return ""
	}
	_, path, _ := strings.Cut(rest, "/")
	for _, mark := range []string{"/-/", "/tree/", "/blob/"} {
		path, _, _ = strings.Cut(path, mark)
	}
	return strings.TrimSuffix(strings.Trim(path, "/"), ".git")
}
