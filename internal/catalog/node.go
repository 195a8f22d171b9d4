package catalog

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Reading YAML's nodes, each of which knows its line.

// entry is a key of a mapping and its value.
type entry struct {
	key   string
	value *yaml.Node
}

// mapping gives a mapping's entries; keys that are not among known, or come
// twice, are findings and left out.
func (r *reader) mapping(n *yaml.Node, known ...string) []entry {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		r.wrong(n.Line, "Write one of "+strings.Join(known, ", ")+", a colon, and its value.", "Here must be a mapping.")
		return nil
	}
	allowed, seen := map[string]bool{}, map[string]bool{}
	for _, k := range known {
		allowed[k] = true
	}
	var list []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		switch {
		case !allowed[key.Value]:
			r.wrong(key.Line, "Here may stand "+strings.Join(known, ", ")+".", "There is no key %q.", key.Value)
		case seen[key.Value]:
			r.wrong(key.Line, "Leave one of them out.", "The key %q is there twice.", key.Value)
		default:
			seen[key.Value] = true
			list = append(list, entry{key.Value, value})
		}
	}
	return list
}

// resolved follows an alias to its anchor.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// sequence reads each item of a list; nothing at all is an empty one.
func (r *reader) sequence(n *yaml.Node, key string, f func(*yaml.Node)) {
	if n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.wrong(n.Line, "Begin each item with a dash.", "%s must be a list.", key)
		return
	}
	for _, item := range n.Content {
		f(resolved(item))
	}
}

func (r *reader) oneOrMore(n *yaml.Node, f func(*yaml.Node)) {
	if n.Kind == yaml.SequenceNode {
		r.sequence(n, "", f)
		return
	}
	f(n)
}

// text reads a word; numbers and truths are taken as they are written.
func (r *reader) text(n *yaml.Node, key string) string {
	n = resolved(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n.Line, "Write "+key+": TEXT.", "%s must be a text.", key)
		return ""
	case n.Tag == "!!null":
		return ""
	}
	return strings.TrimSpace(n.Value)
}

// texts reads one text or a list of them.
func (r *reader) texts(n *yaml.Node, key string) []string {
	var list []string
	r.oneOrMore(n, func(n *yaml.Node) {
		if s := r.text(n, key); s != "" {
			list = append(list, s)
		}
	})
	return list
}

func (r *reader) truth(n *yaml.Node, key string) bool {
	switch strings.ToLower(n.Value) {
	case "true":
		return true
	case "false":
		return false
	}
	r.wrong(n.Line, "Write true or false.", "%s must be true or false.", key)
	return true
}
