package main

import "github.com/spf13/cobra"

func (p *program) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Show every setting, its value, and where it comes from",
		Long: `Show every setting, its value, and where it comes from.

A setting has one name in three places: the flag --log-level, the variable
WEIR_LOG_LEVEL, and the line WEIR_LOG_LEVEL=debug in weir.env in the data
directory. The flag wins over the variable, the variable over the line, the line
over the default. Secrets and passwords in URLs are not shown.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			var rows [][]any
			for _, v := range p.settings.list() {
				var value any // an unset one is NULL
				if shown := v.shown(); shown != "" {
					value = shown
				}
				rows = append(rows, []any{v.kind.name, value, v.from, v.kind.env()})
			}
			return writeRows(p.stdout, p.format(), []string{"setting", "value", "from", "variable"}, rows)
		},
	}
}
