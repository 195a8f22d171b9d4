package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// format is how answers are written to stdout.
type format string

const (
	asTable  format = "table"  // for people: aligned, NULL as NULL, long fractions cut
	asJSON   format = "json"   // one document: an array of objects, or an object
	asNDJSON format = "ndjson" // one object a line, written as rows arrive
	asCSV    format = "csv"    // RFC 4180 with a header line; NULL is empty, an empty text is ""

	asMarkdown format = "md" // a table to paste into an issue: as table, in Markdown
)

func formatOf(name string) (format, error) {
	switch f := format(name); f {
	case asTable, asJSON, asNDJSON, asCSV, asMarkdown:
		return f, nil
	}
	return "", &usageError{
		cause:  fmt.Sprintf("the output format is %q, which is none", name),
		remedy: "Use table, json, ndjson, csv or md.",
	}
}

// rowWriter writes rows of one answer. A value is nil for NULL, or a bool, a
// json.Number, a string, an int, int64 or float64, a time.Time, or what
// encoding/json writes. close ends the answer: without it a JSON array or a
// table is not whole.
type rowWriter interface {
	write(row []any) error
	close() error
}

// newRowWriter writes the header, if the format has one.
func newRowWriter(out io.Writer, f format, columns []string) (rowWriter, error) {
	buffered := bufio.NewWriter(out)
	switch f {
	case asCSV:
		w := &csvWriter{buffered}
		header := make([]any, len(columns))
		for i, c := range columns {
			header[i] = c
		}
		return w, w.write(header)
	case asJSON, asNDJSON:
		return &objectWriter{out: buffered, names: objectNames(columns), array: f == asJSON}, nil
	case asMarkdown:
		return newMarkdownWriter(buffered, columns), nil
	}
	return newTableWriter(buffered, columns), nil
}

// objectWriter writes rows as JSON objects with keys in the columns' order.
type objectWriter struct {
	out   *bufio.Writer
	names [][]byte // each with its quotes and colon
	array bool
	rows  int
}

// objectNames makes the columns' names keys of an object. Of columns with one
// name (select a.id, b.id) readers of JSON would keep the last only, so the
// second is called id_2.
func objectNames(columns []string) [][]byte {
	taken := map[string]bool{}
	for _, c := range columns {
		taken[c] = true
	}
	seen := map[string]bool{}
	var names [][]byte
	for _, c := range columns {
		name := c
		for n := 2; seen[name] || name != c && taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", c, n)
		}
		seen[name] = true
		names = append(names, append(encodeJSON(name), ':'))
	}
	return names
}

func (w *objectWriter) write(row []any) error {
	if w.array {
		if w.rows == 0 {
			_, _ = w.out.WriteString("[\n")
		} else {
			_, _ = w.out.WriteString(",\n")
		}
	}
	w.rows++
	_ = w.out.WriteByte('{')
	for i, value := range row {
		if i > 0 {
			_ = w.out.WriteByte(',')
		}
		_, _ = w.out.Write(w.names[i])
		_, _ = w.out.Write(encodeJSON(value))
	}
	_ = w.out.WriteByte('}')
	if w.array {
		return nil
	}
	_ = w.out.WriteByte('\n')
	return w.out.Flush() // a reader of a stream sees each row as it comes
}

func (w *objectWriter) close() error {
	switch {
	case w.array && w.rows == 0:
		_, _ = w.out.WriteString("[]\n")
	case w.array:
		_, _ = w.out.WriteString("\n]\n")
	}
	return w.out.Flush() // gives the first error of all writes
}

// encodeJSON writes a value as JSON, <, > and & as they are. What JSON cannot
// say (an infinite number) is written as its text.
func encodeJSON(value any) []byte {
	if at, ok := value.(time.Time); ok {
		value = timeText(at)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		b.Reset()
		_ = e.Encode(fmt.Sprint(value)) // a string: cannot fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// csvWriter is not encoding/csv, which writes NULL and an empty text alike.
type csvWriter struct{ out *bufio.Writer }

func (w *csvWriter) write(row []any) error {
	for i, value := range row {
		if i > 0 {
			_ = w.out.WriteByte(',')
		}
		_, _ = w.out.WriteString(csvField(value, len(row) == 1))
	}
	_, err := w.out.WriteString("\n")
	return err
}

// csvField quotes where RFC 4180 wants it. A row of one NULL would be an empty
// line, which readers skip: a row lost is worse than a NULL read as empty.
func csvField(value any, alone bool) string {
	if value == nil {
		if alone {
			return `""`
		}
		return ""
	}
	s := plainText(value)
	if s == "" || strings.ContainsAny(s, ",\"\r\n") || s[0] == ' ' || s[len(s)-1] == ' ' {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

func (w *csvWriter) close() error { return w.out.Flush() }

// tableWriter aligns, so it holds all rows until close.
type tableWriter struct {
	out     *bufio.Writer
	table   table.Writer
	numeric []bool // columns that hold numbers only, which are aligned right
	rows    int
}

func newTableWriter(out *bufio.Writer, columns []string) *tableWriter {
	w := &tableWriter{out: out, table: table.NewWriter(), numeric: make([]bool, len(columns))}
	style := table.StyleLight
	style.Options = table.Options{SeparateHeader: true}
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format = table.FormatOptions{Header: text.FormatDefault, Row: text.FormatDefault}
	w.table.SetStyle(style)
	header := make(table.Row, len(columns))
	for i, c := range columns {
		header[i] = printable(c)
		w.numeric[i] = true
	}
	w.table.AppendHeader(header)
	return w
}

func (w *tableWriter) write(row []any) error {
	cells := make(table.Row, len(row))
	for i, value := range row {
		var number bool
		cells[i], number = cell(value)
		w.numeric[i] = w.numeric[i] && (number || value == nil)
	}
	w.rows++
	w.table.AppendRow(cells)
	return nil
}

func (w *tableWriter) close() error {
	var configs []table.ColumnConfig
	for i, numeric := range w.numeric {
		if numeric && w.rows > 0 {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	w.table.SetColumnConfigs(configs)
	for line := range strings.Lines(w.table.Render()) {
		line = strings.TrimRight(line, " \n")
		if strings.Trim(line, "─") == "" {
			line = strings.TrimSuffix(line, "──") // below the last column's padding
		}
		_, _ = w.out.WriteString(line + "\n")
	}
	return w.out.Flush()
}

// cell is a value for people's eyes, and whether it is a number.
func cell(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "NULL", false
	case json.Number:
		return roundedNumber(v.String()), true
	case float64:
		return roundedNumber(strconv.FormatFloat(v, 'f', -1, 64)), true
	case int, int64:
		return fmt.Sprint(v), true
	}
	return printable(plainText(value)), false
}

// roundedNumber cuts a fraction to three digits, or to three that are not
// zero; a whole number stays as it is, however long. Halves round away from
// zero, here and not in SQL, where the engines differ.
func roundedNumber(s string) string {
	if !strings.ContainsAny(s, ".eE") {
		return s
	}
	x, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || math.Abs(x) >= 1e15:
		return s
	case x != 0 && math.Abs(x) < 0.001:
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	cut := strconv.FormatFloat(math.Round(x*1000)/1000, 'f', -1, 64)
	return cut
}

// plainText is a value as text, with every digit.
func plainText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case time.Time:
		return timeText(v)
	case bool, int, int64, float64:
		return strings.Trim(string(encodeJSON(v)), `"`)
	}
	return string(encodeJSON(value))
}

// timeText is RFC 3339 in UTC with milliseconds.
func timeText(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// printable shows control characters instead of obeying them: names come from
// GitLab, and one that moves the cursor or sets colours could show a person
// something that is not there.
func printable(s string) string {
	clean := true
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r), r == '\u00a0', r == '\u200d': // the latter joins emoji
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// writeDocument writes one object: indented for json, on one line for ndjson.
func writeDocument(out io.Writer, f format, document any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if f == asJSON {
		e.SetIndent("", "  ")
	}
	return e.Encode(document)
}

// writeRows writes rows that are all there.
func writeRows(out io.Writer, f format, columns []string, rows [][]any) error {
	w, err := newRowWriter(out, f, columns)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := w.write(row); err != nil {
			return err
		}
	}
	return w.close()
}
