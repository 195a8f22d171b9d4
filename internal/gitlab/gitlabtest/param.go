package gitlabtest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// param is a declared query parameter. What is not declared is ignored, as
// GitLab does: a mistyped filter filters nothing.
type param struct {
	name   string
	def    string // shown in Links even when the client did not give it
	valid  func(string) bool
	repeat bool // an array: name[]=a&name[]=b
	refuse string
}

const (
	wrongValue = "does not have a valid value"
	wrongType  = "is invalid"
)

func text(name string) param { return param{name: name} }

func integer(name, def string) param {
	return param{name: name, def: def, refuse: wrongType, valid: func(v string) bool {
		_, err := strconv.ParseInt(v, 10, 64)
		return err == nil
	}}
}

func boolean(name, def string) param {
	return param{name: name, def: def, refuse: wrongType, valid: func(v string) bool {
		return slices.Contains([]string{"true", "false", "1", "0", "t", "f", "yes", "no", "on", "off"}, strings.ToLower(v))
	}}
}

func oneOf(name, def string, values ...string) param {
	return param{name: name, def: def, refuse: wrongValue, valid: func(v string) bool { return slices.Contains(values, v) }}
}

func moment(name string) param {
	return param{name: name, refuse: wrongType, valid: func(v string) bool {
		_, ok := parseTime(v)
		return ok
	}}
}

func manyOf(name string, values ...string) param {
	return param{name: name, repeat: true, refuse: wrongValue, valid: func(v string) bool { return slices.Contains(values, v) }}
}

// paging is what every list takes.
func paging() []param {
	perPage := integer("per_page", "20")
	positive := perPage.valid
	perPage.valid = func(v string) bool { return positive(v) && v != "0" }
	return []param{integer("page", "1"), perPage}
}

// parseTime reads what Ruby's DateTime.parse does of ISO 8601.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999 MST", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// values are the parameters of one request, defaults filled in.
type values struct {
	given url.Values // as the client wrote them, defaults added: what Links show
}

// readParams checks the query; refusal is GitLab's message, empty when all is
// well.
func readParams(query url.Values, declared []param) (v values, refusal string) {
	v.given = url.Values{}
	for k, list := range query {
		if name, array := strings.CutSuffix(k, "[]"); array {
			v.given[name+"[]"] = list
		} else {
			v.given[k] = list[len(list)-1:] // the last one wins
		}
	}
	var wrong []string
	for _, p := range declared {
		list := v.given[p.name]
		if p.repeat {
			list = append(slices.Clone(v.given[p.name+"[]"]), list...)
			delete(v.given, p.name)
			if len(list) > 0 {
				v.given[p.name+"[]"] = list
			}
		}
		if len(list) == 0 {
			if p.def != "" {
				v.given.Set(p.name, p.def)
			}
			continue
		}
		for _, one := range list {
			if p.valid != nil && !(one == "" && p.refuse == wrongType) && !p.valid(one) {
				wrong = append(wrong, p.name+" "+p.refuse)
				break
			}
		}
	}
	return v, strings.Join(wrong, ", ")
}

func (v values) str(name string) string { return v.given.Get(name) }

func (v values) list(name string) []string { return v.given[name+"[]"] }

func (v values) bool(name string) bool {
	switch strings.ToLower(v.given.Get(name)) {
	case "true", "1", "t", "yes", "on":
		return true
	}
	return false
}

// optBool is nil when the parameter was not given.
func (v values) optBool(name string) *bool {
	if v.given.Get(name) == "" {
		return nil
	}
	return new(v.bool(name))
}

func (v values) int(name string) int64 {
	n, _ := strconv.ParseInt(v.given.Get(name), 10, 64)
	return n
}

// time is nil when the parameter was not given.
func (v values) time(name string) *time.Time {
	if t, ok := parseTime(v.given.Get(name)); ok {
		return &t
	}
	return nil
}
