package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
)

func (p *program) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the installation and say what to do",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withClient(cmd.Context(), p.doctor)
		},
	}
}

// doctor fails when a check does, so that a script can rely on it.
func (p *program) doctor(ctx context.Context, client *api.Client) error {
	d, err := client.Doctor(ctx)
	if err != nil {
		return err
	}
	switch f := p.format(); f {
	case asJSON, asNDJSON:
		err = writeDocument(p.stdout, f, d)
	case asCSV:
		var rows [][]any
		for _, c := range d.Checks {
			rows = append(rows, []any{c.Name, c.OK, c.Detail, c.Remedy})
		}
		err = writeRows(p.stdout, f, []string{"check", "ok", "detail", "remedy"}, rows)
	default:
		for _, c := range d.Checks {
			fmt.Fprintf(p.stdout, "%s %s: %s\n", p.tick(c.OK, p.stdout), printable(c.Name), printable(c.Detail))
			if c.Remedy != "" {
				fmt.Fprintf(p.stdout, "    what to do: %s\n", printable(c.Remedy))
			}
		}
	}
	if err == nil && !d.OK {
		return exit(exitFailure)
	}
	return err
}

// tick marks what passed and what did not, in green and red where the stream
// shows colours; the marks differ without them too.
func (p *program) tick(ok bool, stream any) string {
	mark, shade := "✗", "31"
	if ok {
		mark, shade = "✓", "32"
	}
	if p.color(stream) {
		return "\x1b[" + shade + "m" + mark + "\x1b[0m"
	}
	return mark
}
