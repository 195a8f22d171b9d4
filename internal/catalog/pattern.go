package catalog

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is one alternative of a condition: a literal, a glob, or an RE2
// expression between slashes; with ! before it, an exception.
type pattern struct {
	text    string
	negated bool
	literal string         // as compared; "" when match decides
	match   *regexp.Regexp // nil for a literal
	fold    bool           // letter case does not count
}

// parsePattern reads a pattern of a field.
func parsePattern(f field, text string) (pattern, error) {
	p := pattern{text: text, fold: f.path}
	body, negated := strings.CutPrefix(text, "!")
	p.negated = negated
	switch {
	case body == "":
		return p, fmt.Errorf("the pattern %q has nothing to match", text)
	case len(body) > 1 && body[0] == '/' && body[len(body)-1] == '/':
		re, err := regexp.Compile(body[1 : len(body)-1])
		if err != nil {
			return p, fmt.Errorf("%s is no RE2 expression: %s", body, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		p.match = re
	case strings.ContainsAny(body, "*?"):
		p.match = regexp.MustCompile(glob(body, f.path))
	default:
		p.literal = body
		if p.fold {
			p.literal = strings.ToLower(body)
		}
	}
	return p, nil
}

// glob turns a glob into an RE2 expression. In paths a * stops at a slash and
// ** does not; elsewhere both cross it, as in GitLab's own wildcards of
// branches and tags.
func glob(text string, path bool) string {
	var b strings.Builder
	b.WriteString("^")
	if path {
		b.WriteString("(?i)")
	}
	b.WriteString("(?s:")
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "**"):
			b.WriteString(".*")
			i++
		case text[i] == '*' && path:
			b.WriteString("[^/]*")
		case text[i] == '*':
			b.WriteString(".*")
		case text[i] == '?' && path:
			b.WriteString("[^/]")
		case text[i] == '?':
			b.WriteString(".")
		default:
			j := i + 1
			for j < len(text) && text[j] != '*' && text[j] != '?' {
				j++
			}
			b.WriteString(regexp.QuoteMeta(text[i:j]))
			i = j - 1
		}
	}
	b.WriteString(")$")
	return b.String()
}

// matches says whether a value fits, the exception mark aside. An empty value
// fits nothing.
func (p *pattern) matches(value string) bool {
	if value == "" {
		return false
	}
	if p.match != nil {
		return p.match.MatchString(value)
	}
	if p.fold {
		return strings.ToLower(value) == p.literal
	}
	return value == p.literal
}

// condition is what one field must be: one of the alternatives (any value, when
// there are exceptions only), and none of the exceptions.
type condition struct {
	field    field
	patterns []pattern
}

// holds says whether the condition holds for a value, or for a field of several
// values (topics, groups) when one value fits and none is an exception.
func (c *condition) holds(values ...string) bool {
	fits, wanted := false, false
	for i := range c.patterns {
		p := &c.patterns[i]
		if !p.negated {
			wanted = true
		}
		for _, v := range values {
			if !p.matches(v) {
				continue
			}
			if p.negated {
				return false
			}
			fits = true
		}
	}
	return fits || !wanted
}
