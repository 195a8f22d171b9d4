package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWriteRows(t *testing.T) {
	columns := []string{"name", "n", "x", "at"}
	rows := [][]any{
		{"test", json.Number("12345678901234567890"), json.Number("0.30000000000000004"), "2026-11-01T10:00:00.123456Z"},
		{nil, nil, json.Number("-2.5"), nil},
		{"", json.Number("7"), json.Number("1e-9"), nil},
		{`a "b", <c>`, json.Number("0"), json.Number("99.9996"), nil},
	}
	for _, test := range []struct {
		format format
		want   string
	}{
		{asTable, `
name                           n      x  at
────────────────────────────────────────────────────────────────────
test        12345678901234567890    0.3  2026-11-01T10:00:00.123456Z
NULL                        NULL   -2.5  NULL
                               7  1e-09  NULL
a "b", <c>                     0    100  NULL
`},
		{asJSON, `
[
{"name":"test","n":12345678901234567890,"x":0.30000000000000004,"at":"2026-11-01T10:00:00.123456Z"},
{"name":null,"n":null,"x":-2.5,"at":null},
{"name":"","n":7,"x":1e-9,"at":null},
{"name":"a \"b\", <c>","n":0,"x":99.9996,"at":null}
]
`},
		{asNDJSON, `
{"name":"test","n":12345678901234567890,"x":0.30000000000000004,"at":"2026-11-01T10:00:00.123456Z"}
{"name":null,"n":null,"x":-2.5,"at":null}
{"name":"","n":7,"x":1e-9,"at":null}
{"name":"a \"b\", <c>","n":0,"x":99.9996,"at":null}
`},
		{asCSV, `
name,n,x,at
test,12345678901234567890,0.30000000000000004,2026-11-01T10:00:00.123456Z
,,-2.5,
"",7,1e-9,
"a ""b"", <c>",0,99.9996,
`},
	} {
		t.Run(string(test.format), func(t *testing.T) {
			if diff := cmp.Diff(test.want[1:], written(t, test.format, columns, rows)); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteRowsOfNone(t *testing.T) {
	for format, want := range map[format]string{
		asTable: "a  b\n────\n", asJSON: "[]\n", asNDJSON: "", asCSV: "a,b\n",
	} {
		if diff := cmp.Diff(want, written(t, format, []string{"a", "b"}, nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

func TestObjectNames(t *testing.T) {
	got := written(t, asNDJSON, []string{"id", "id", "id_2", "id", ""}, [][]any{{1, 2, 3, 4, 5}})
	want := `{"id":1,"id_3":2,"id_2":3,"id_4":4,"":5}` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// A value that JSON holds, lists and maps among them, comes out as it went in.
func TestObjectsKeepValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := []any{
			rapid.String().Draw(t, "text"), rapid.Float64Range(-1e300, 1e300).Draw(t, "number"),
			rapid.Bool().Draw(t, "bool"), nil,
			[]any{rapid.String().Draw(t, "element"), nil},
		}
		var out bytes.Buffer
		if err := writeRows(&out, asJSON, []string{"a", "b", "c", "d", "e"}, [][]any{row}); err != nil {
			t.Fatal(err)
		}
		var got []map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v in %s", err, out.Bytes())
		}
		want := []map[string]any{{"a": row[0], "b": row[1], "c": row[2], "d": row[3], "e": row[4]}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
	})
}

// Any text survives CSV, and a row is never lost.
func TestCSVKeepsTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 3).Draw(t, "width")
		// encoding/csv reads \r\n inside quotes as \n, so that one is left to it.
		cells := rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(s, "\r", "") })
		rows := rapid.SliceOf(rapid.SliceOfN(cells, width, width)).Draw(t, "rows")
		header := make([]string, width)
		for i := range header {
			header[i] = "c" + string(rune('a'+i))
		}
		var in [][]any
		want := [][]string{header}
		for _, r := range rows {
			var row []any
			for _, c := range r {
				row = append(row, c)
			}
			in, want = append(in, row), append(want, r)
		}
		var out bytes.Buffer
		if err := writeRows(&out, asCSV, header, in); err != nil {
			t.Fatal(err)
		}
		got, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
	})
}

func TestCSVOfOneColumn(t *testing.T) {
	got := written(t, asCSV, []string{"a"}, [][]any{{nil}, {"x"}})
	if diff := cmp.Diff("a\n\"\"\nx\n", got); diff != "" {
		t.Errorf("a NULL alone must not be an empty line (-want +got):\n%s", diff)
	}
}

func TestPlainText(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{true, "true"},
		{int64(-5), "-5"},
		{0.1, "0.1"},
		{time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.FixedZone("", 3600)), "2026-03-01T11:00:00.005Z"},
		{[]any{"a", json.Number("1"), nil}, `["a",1,null]`},
		{map[string]any{"k": "<v>"}, `{"k":"<v>"}`},
	} {
		if got := plainText(test.value); got != test.want {
			t.Errorf("plainText(%v) = %q, want %q", test.value, got, test.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"déploiement 🚀 日本":        "déploiement 🚀 日本",
		"red \x1b[31mtext":        `red \x1b[31mtext`,
		"two\nlines\tand a tab":   `two\nlines\tand a tab`,
		"bell\a":                  `bell\a`,
		"right-to-left \u202etxt": `right-to-left \u202etxt`,
		"bad \xff byte":           `bad \xff byte`,
		"replaced \uFFFD":         "replaced \uFFFD",
		"family 👨\u200d👩":         "family 👨\u200d👩",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("red \x1b[31mtext\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		for _, r := range got {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				t.Fatalf("printable(%q) = %q holds the control character %U", s, got, r)
			}
		}
	})
}

func written(t *testing.T, f format, columns []string, rows [][]any) string {
	t.Helper()
	var out bytes.Buffer
	if err := writeRows(&out, f, columns, rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
