package store

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// bindVariables replaces each :name of a statement by a bound parameter, so
// that a value is never read as SQL. A value's type is read off it: 17 is a
// bigint, 0.5 a double, true and false booleans, all else text, and what stands
// in single quotes ('17') is text without them. Text meets a column of times or
// numbers as a literal would. Errors are bad_request: a name without a value, a
// value without a name, a parameter that is written $1.
func bindVariables(sql string, values map[string]string) (string, []any, error) {
	tokens := lex(sql)
	number := map[string]int{}
	var args []any
	var b strings.Builder
	for _, t := range tokens {
		switch t.kind {
		case tokenDollar:
			return "", nil, problem(ci.BadRequest, fmt.Sprintf("The parameter %s has no value.", t.text),
				"Write :name in the statement and give the value with the variable name.", nil)
		case tokenVariable:
			value, ok := values[t.name]
			if !ok {
				return "", nil, problem(ci.BadRequest, fmt.Sprintf("The variable %s has no value.", t.name),
					fmt.Sprintf("Give one, as in -v %s=VALUE.", t.name), nil)
			}
			typed, cast := typeByLook(value)
			n, ok := number[t.name]
			if !ok {
				args = append(args, typed)
				n = len(args)
				number[t.name] = n
			}
			if cast == "" {
				fmt.Fprintf(&b, "$%d", n)
			} else {
				fmt.Fprintf(&b, "CAST($%d AS %s)", n, cast)
			}
		default:
			b.WriteString(t.text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := number[name]; !ok {
			return "", nil, problem(ci.BadRequest, fmt.Sprintf("The variable %s does not occur in the statement.", name),
				fmt.Sprintf("Write :%s where its value belongs, or leave it out.", name), nil)
		}
	}
	return b.String(), args, nil
}

func typeByLook(value string) (typed any, cast string) {
	switch {
	case value == "true":
		return true, "boolean"
	case value == "false":
		return false, "boolean"
	case len(value) >= 2 && strings.HasPrefix(value, "'") && strings.HasSuffix(value, "'"):
		return value[1 : len(value)-1], ""
	}
	// A leading zero is an id or the start of a commit, not a number.
	if regexp.MustCompile(`^-?(0|[1-9]\d*)$`).MatchString(value) {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n, "bigint"
		}
	}
	if regexp.MustCompile(`^-?(0|[1-9]\d*)\.\d+([eE][-+]?\d+)?$`).MatchString(value) {
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			return f, "double precision"
		}
	}
	return value, ""
}
