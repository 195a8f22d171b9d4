package api

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestValuesAsText(t *testing.T) {
	for _, c := range []struct {
		value     any
		json, csv string
	}{
		{nil, `null`, ``},
		{"", `""`, `""`},
		{"a", `"a"`, `a`},
		{"a,b", `"a,b"`, `"a,b"`},
		{"say \"x\"\n", `"say \"x\"\n"`, "\"say \"\"x\"\"\n\""},
		{" a", `" a"`, `" a"`},
		{"NULL", `"NULL"`, `NULL`},
		{true, `true`, `true`},
		{int64(math.MaxInt64), `9223372036854775807`, `9223372036854775807`},
		{json.Number("340282366920938463463374607431768211456"), `340282366920938463463374607431768211456`, `340282366920938463463374607431768211456`},
		{0.1, `0.1`, `0.1`},
		{1e21, `1e+21`, `1e+21`},
		{math.NaN(), `"NaN"`, `"""NaN"""`},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), `"2026-01-02T02:04:05.000Z"`, `2026-01-02T02:04:05.000Z`},
		{time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC), `"2026-01-02T03:04:05.678900Z"`, `2026-01-02T03:04:05.678900Z`},
		{time.Date(2026, 1, 2, 3, 4, 5, 1, time.UTC), `"2026-01-02T03:04:05.000000001Z"`, `2026-01-02T03:04:05.000000001Z`},
		{[]any{"a", nil, int64(1)}, `["a",null,1]`, `"[""a"",null,1]"`},
		{[]any{}, `[]`, `[]`},
		{json.RawMessage(`{"jobs":7}`), `{"jobs":7}`, `"{""jobs"":7}"`},
		{map[string]any{"t": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "x": []any{math.Inf(1)}}, `{"t":"2026-01-02T03:04:05.000Z","x":["+Inf"]}`, ``},
	} {
		if got, err := appendJSON(nil, c.value); err != nil || string(got) != c.json {
			t.Errorf("%#v as JSON: %s, %v, want %s", c.value, got, err, c.json)
		}
		if _, ok := c.value.(map[string]any); ok {
			continue
		}
		if got, err := appendCSV(nil, []any{c.value}); err != nil || string(got) != c.csv+"\n" {
			t.Errorf("%#v as CSV: %q, %v, want %q", c.value, got, err, c.csv)
		}
	}
}

// Any row of texts comes out of JSON and CSV as it went in.
func TestTextsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.String(), 2, 6).Draw(t, "texts")
		row := make([]any, len(texts))
		for i, text := range texts {
			row[i] = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\r", "") // csv.Reader folds \r\n
			texts[i] = row[i].(string)
		}
		b, err := appendRow(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		var back []string
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(texts, back); diff != "" {
			t.Fatalf("JSON (-in +out):\n%s", diff)
		}
		if b, err = appendCSV(nil, row); err != nil {
			t.Fatal(err)
		}
		back, err = csv.NewReader(strings.NewReader(string(b))).Read()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(texts, back); diff != "" {
			t.Fatalf("CSV (-in +out):\n%s", diff)
		}
	})
}
