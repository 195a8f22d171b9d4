package main

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"pgregory.net/rapid"
)

func TestClosest(t *testing.T) {
	names := []string{"connect", "connections", "sync", "status", "max-requests-per-minute"}
	for word, want := range map[string]string{
		"snyc": "sync", "conect": "connect", "conections": "connections", "max-request-per-minutes": "max-requests-per-minute",
		"entirely": "", "": "",
	} {
		if got := closest(word, names); got != want {
			t.Errorf("closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b"), rapid.String().Draw(t, "c")
		if got := distance(a, b); (got == 0) != (a == b) || got != distance(b, a) || got > max(len(a), len(b)) {
			t.Errorf("distance(%q, %q) = %d", a, b, got)
		}
		if distance(a, c) > distance(a, b)+distance(b, c) {
			t.Errorf("the way from %q to %q is shorter over %q", a, c, b)
		}
	})
}

// TestCommands reads the whole tree: every command says what it does, and no
// flag takes the place of a setting's.
func TestCommands(t *testing.T) {
	p := newProgram(nil, nil, nil, lookup())
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" && !c.Hidden {
			t.Errorf("%s does not say what it does", c.CommandPath())
		}
		if c.Runnable() && c.Args == nil {
			t.Errorf("%s takes any arguments without looking at them", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s does not say what it does", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(p.command())
}
