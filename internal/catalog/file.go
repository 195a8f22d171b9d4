package catalog

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads files together: services.yaml files, and Backstage's
// catalog-info.yaml, which are told by their apiVersion. The error is a
// *Refused with all that is wrong in any of them, and the Config then says what
// could be read. No files give an empty Config. What concerns stored services
// and rules as well is looked at by [Config.Check].
func Parse(files []File) (Config, error) {
	r := &reader{}
	for _, f := range files {
		r.read(f)
	}
	return r.config, refused(r.findings)
}

// reader collects what files say and what is wrong with them.
type reader struct {
	file     string
	config   Config
	findings []Finding
}

func (r *reader) wrong(line int, remedy, cause string, args ...any) {
	r.findings = append(r.findings, Finding{r.file, line, fmt.Sprintf(cause, args...), remedy})
}

var yamlLine = regexp.MustCompile(`line (\d+): ?`)

func (r *reader) read(f File) {
	r.file = f.Name
	decoder := yaml.NewDecoder(strings.NewReader(string(f.Content)))
	documents := 0
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line, text := 0, strings.TrimPrefix(err.Error(), "yaml: ")
			if m := yamlLine.FindStringSubmatch(text); m != nil {
				line, _ = strconv.Atoi(m[1])
				text = strings.Replace(text, m[0], "", 1)
			}
			if strings.HasPrefix(text, "did not find expected") {
				line = min(line+1, 1+strings.Count(strings.TrimSpace(string(f.Content)), "\n")) // the library counts these, and only these, from 0
			}
			r.wrong(line, "Mind indentation, colons and quotes.", "This is no YAML: %s.", text)
			return
		}
		if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
			continue
		}
		documents++
		r.document(document.Content[0])
	}
	if documents == 0 {
		r.wrong(0, "Begin with weir services propose > services.yaml.", "The file is empty.")
	}
}

func (r *reader) document(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.wrong(n.Line, "Write version, services, rules and deploys.", "The file is no mapping.")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "apiVersion" {
			r.backstage(n)
			return
		}
	}
	version := ""
	for _, e := range r.mapping(n, "version", "services", "rules", "deploys") {
		switch e.key {
		case "version":
			version = e.value.Value
			if version != "1" {
				r.wrong(e.value.Line, "Write version: 1.", "This weir does not know version %q of the file.", version)
			}
		case "services":
			r.config.Services = orEmpty(r.config.Services)
			r.sequence(e.value, e.key, r.service)
		case "rules":
			r.config.Rules = orEmpty(r.config.Rules)
			r.sequence(e.value, e.key, r.rule)
		case "deploys":
			r.config.Deploys = orEmpty(r.config.Deploys)
			r.sequence(e.value, e.key, r.deploy)
		}
	}
	if version == "" {
		r.wrong(n.Line, "Write version: 1 at the top.", "The file has no version.")
	}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (r *reader) service(n *yaml.Node) {
	s := Service{Source: FromFile, at: place{r.file, n.Line}}
	for _, e := range r.mapping(n, "identifier", "name", "description", "owner", "tier", "lifecycle", "match") {
		switch e.key {
		case "match":
			r.oneOrMore(e.value, func(n *yaml.Node) {
				s.Matches = append(s.Matches, r.match(n))
				s.matchAt = append(s.matchAt, place{r.file, n.Line})
			})
		default:
			*map[string]*string{
				"identifier": &s.Identifier, "name": &s.Name, "description": &s.Description, "owner": &s.Owner,
				"tier": &s.Tier, "lifecycle": &s.Lifecycle,
			}[e.key] = r.text(e.value, e.key)
		}
	}
	r.addService(s)
}

// identifierForm keeps identifiers fit for URLs, files and command lines.
var identifierForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

func (r *reader) addService(s Service) {
	if !identifierForm.MatchString(s.Identifier) {
		r.wrong(s.at.line, "Give it an identifier of letters, digits, dots, dashes and underscores.", "The service's identifier is %q.", s.Identifier)
	}
	r.config.Services = append(r.config.Services, s)
}

func (r *reader) rule(n *yaml.Node) {
	rule := Rule{Source: FromFile, at: place{r.file, n.Line}}
	var common Match
	var services []string
	var each *yaml.Node
	for _, e := range r.mapping(n, "name", "match", "service", "services", "each", "enabled") {
		switch e.key {
		case "name":
			rule.Name = r.text(e.value, e.key)
		case "match":
			common = r.match(e.value)
		case "service", "services":
			services = append(services, r.texts(e.value, e.key)...)
		case "each":
			each = e.value
		case "enabled":
			rule.Disabled = !r.truth(e.value, e.key)
		}
	}
	switch {
	case each == nil:
		if len(services) == 0 {
			r.wrong(n.Line, "Add service: IDENTIFIER.", "The rule yields no service.")
		}
		rule.Cases = []Case{{Match: common, Services: services, at: rule.at}}
	case len(services) > 0:
		r.wrong(each.Line, "Name the services in the cases of each, or leave each out.", "The rule has both services and each.")
	default:
		r.sequence(each, "each", func(n *yaml.Node) { rule.Cases = append(rule.Cases, r.ruleCase(n, common)) })
	}
	r.config.Rules = append(r.config.Rules, rule)
}

// ruleCase reads a case, which wants what the rule wants and its own match.
func (r *reader) ruleCase(n *yaml.Node, common Match) Case {
	one := Case{Match: Match{}, at: place{r.file, n.Line}}
	for name, patterns := range common {
		one.Match[name] = patterns
	}
	for _, e := range r.mapping(n, "match", "service", "services") {
		if e.key != "match" {
			one.Services = append(one.Services, r.texts(e.value, e.key)...)
			continue
		}
		for name, patterns := range r.match(e.value) {
			if _, twice := common[name]; twice {
				r.wrong(e.value.Line, "Name it in one of the two.", "%s stands in the rule's match and in the case's.", name)
			}
			one.Match[name] = patterns
		}
	}
	if len(one.Services) == 0 {
		r.wrong(n.Line, "Add service: IDENTIFIER.", "The case yields no service.")
	}
	return one
}

func (r *reader) deploy(n *yaml.Node) {
	d := Deploy{Source: FromFile, at: place{r.file, n.Line}}
	for _, e := range r.mapping(n, "name", "match", "environment", "tier", "service", "enabled") {
		switch e.key {
		case "match":
			d.Match = r.match(e.value)
		case "enabled":
			d.Disabled = !r.truth(e.value, e.key)
		default:
			*map[string]*string{"name": &d.Name, "environment": &d.Environment, "tier": &d.Tier, "service": &d.Service}[e.key] = r.text(e.value, e.key)
		}
	}
	if d.Environment == "" {
		r.wrong(n.Line, "Add environment: production.", "The deploy rule yields no environment.")
	}
	if d.Tier != "" && !slices.Contains(tiers(), d.Tier) {
		r.wrong(n.Line, "Use "+strings.Join(tiers(), ", ")+".", "The tier %q is none of GitLab's.", d.Tier)
	}
	if len(d.Match) == 0 {
		r.wrong(n.Line, "Say which jobs deploy: match: {job: deploy}.", "The deploy rule takes every run for a deployment.")
	}
	r.config.Deploys = append(r.config.Deploys, d)
}

// match reads the conditions of a rule and tries each pattern.
func (r *reader) match(n *yaml.Node) Match {
	m := Match{}
	for _, e := range r.mapping(n, fieldNames()...) {
		m[e.key] = r.texts(e.value, e.key)
		if len(m[e.key]) == 0 {
			r.wrong(e.value.Line, "Give a pattern, or leave the field out.", "%s has no pattern.", e.key)
		}
		_, errs := Match{e.key: m[e.key]}.compile()
		for _, err := range errs {
			remedy := "A pattern is a word, a glob (* and ?), or an RE2 expression between slashes; ! before it makes an exception."
			if f, _ := fieldByName(e.key); f.words != nil {
				remedy = "Use " + strings.Join(f.words, ", ") + "."
			}
			r.wrong(e.value.Line, remedy, "%s.", upperFirst(err.Error()))
		}
	}
	return m
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
