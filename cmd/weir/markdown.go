package main

import (
	"bufio"
	"strings"
)

// markdownWriter writes a table as GitLab and GitHub show it. It holds all rows
// until close, to know which columns are numbers.
type markdownWriter struct {
	out     *bufio.Writer
	columns []string
	rows    [][]string
	numeric []bool
}

func newMarkdownWriter(out *bufio.Writer, columns []string) *markdownWriter {
	w := &markdownWriter{out: out, columns: columns, numeric: make([]bool, len(columns))}
	for i := range w.numeric {
		w.numeric[i] = true
	}
	return w
}

func (w *markdownWriter) write(row []any) error {
	cells := make([]string, len(row))
	for i, value := range row {
		var number bool
		cells[i], number = cell(value)
		w.numeric[i] = w.numeric[i] && (number || value == nil)
	}
	w.rows = append(w.rows, cells)
	return nil
}

func (w *markdownWriter) close() error {
	line := func(cells []string) {
		for _, c := range cells {
			// A bar ends a cell, and names come from elsewhere.
			_, _ = w.out.WriteString("| " + strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;").Replace(c) + " ")
		}
		_, _ = w.out.WriteString("|\n")
	}
	line(w.columns)
	for _, numeric := range w.numeric {
		rule := "| --- "
		if numeric && len(w.rows) > 0 {
			rule = "| --: "
		}
		_, _ = w.out.WriteString(rule)
	}
	_, _ = w.out.WriteString("|\n")
	for _, row := range w.rows {
		line(row)
	}
	return w.out.Flush()
}
