package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirhq/weir/internal/metric"
)

// Reports lists what can be reported.
type Reports struct {
	Metrics    []metric.Definition `json:"metrics"`
	Findings   []metric.Definition `json:"findings" doc:"answers that are lists of things to look at, the worst first; asked as metrics are"`
	Dimensions []ReportDimension   `json:"dimensions"`
}

// ReportDimension is something that answers can be divided and filtered by.
type ReportDimension struct {
	Name    metric.Dim `json:"name"`
	Meaning string     `json:"meaning"`
}

// Report is the answer of a metric.
type Report struct {
	Metric    string           `json:"metric"`
	Unit      string           `json:"unit" doc:"of value, p50, …: count, rate, s, min, 1/day or money"`
	By        []string         `json:"by" doc:"what the answer is divided by; empty: it has one row"`
	Window    ReportWindow     `json:"window"`
	AsOf      time.Time        `json:"as_of"`
	Precision string           `json:"precision" doc:"s where a row took part whose times are cut to seconds, else ms"`
	Overlap   bool             `json:"overlap" doc:"whether a row may count under several: then rows do not add up"`
	Measured  bool             `json:"measured" doc:"whether the rows were put together from what weir keeps for this metric; sql gives the same from published tables"`
	Columns   []metric.Column  `json:"columns" doc:"the keys of the rows, in order"`
	Rows      []map[string]any `json:"rows" doc:"the dimensions' values and the metric's; with compare also previous, of the same keys, or null"`
	Partial   *metric.Partial  `json:"partial" doc:"what may be missing; null when nothing is known to be"`
	SQL       string           `json:"sql" doc:"the statement behind the rows; it runs as it is"`
	Currency  string           `json:"currency,omitempty" doc:"of money"`

	// Raw is the answer as it came, keys in order. Set by Client only.
	Raw json.RawMessage `json:"-"`
}

// ReportWindow is the stretch of time that a report is about, [From, To).
type ReportWindow struct {
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	TZ       string      `json:"tz"`
	Previous *ReportSpan `json:"previous,omitempty"`
}

// ReportSpan is the stretch of time that a report is compared with.
type ReportSpan struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (a *API) registerReports() {
	register(a, a.operation(http.MethodGet, "/reports", "list-reports", "What can be measured, and what it means", ""),
		func(context.Context, *struct{}) (Reports, error) {
			shown := Reports{Metrics: a.Metrics.Definitions(), Findings: a.Metrics.Findings(), Dimensions: []ReportDimension{}}
			for _, d := range append(metric.Dims(), metric.Deleted) {
				shown.Dimensions = append(shown.Dimensions, ReportDimension{d, d.Meaning()})
			}
			return shown, nil
		})

	op := a.operation(http.MethodGet, "/report/{metric}", "report", "The answer of a metric or a finding",
		"What a metric, a finding, a dimension or a key means, /reports says. Dimensions that do not fit a metric are refused, with those that fit.")
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Report](), true, "Report")
	op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	huma.Register(a.huma, op, func(ctx context.Context, in *struct {
		Metric  string   `path:"metric"`
		From    string   `query:"from" doc:"RFC 3339, a date, or a span back from now (12h, 30d, 4w); default 30d"`
		To      string   `query:"to" doc:"the same, exclusive; default now"`
		TZ      string   `query:"tz" doc:"zone that dates and days are counted in; default UTC"`
		By      []string `query:"by" doc:"dimensions to divide by"`
		Where   []string `query:"where,explode" doc:"filters dim=value; dim= for rows without a value. Those of one dimension are alternatives, those of several hold together"`
		Include []string `query:"include" doc:"children: child pipelines count as runs of their own"`
		Compare string   `query:"compare" doc:"previous: adds the previous period to each row"`
		Run     string   `query:"run" doc:"of critical_path: one run, INSTANCE/ID"`
		Limit   int      `query:"limit" doc:"of a finding: how many rows at most; default 20"`
	},
	) (*huma.StreamResponse, error) {
		a.viewed(ctx, in.Where, in.Run)
		table, err := a.Metrics.Answer(ctx, metric.Query{
			Metric: in.Metric, From: in.From, To: in.To, TZ: in.TZ, By: in.By, Where: in.Where, Include: in.Include,
			Compare: in.Compare, Run: in.Run, Limit: in.Limit,
		})
		if err != nil {
			return nil, a.refused(ctx, op.OperationID, err)
		}
		var body bytes.Buffer
		e := json.NewEncoder(&body)
		e.SetEscapeHTML(false)
		if err := e.Encode(table); err != nil {
			return nil, a.refused(ctx, op.OperationID, err)
		}
		// Written here: huma would sort the keys of the rows by reflection.
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			_, w := humago.Unwrap(hc)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body.Bytes()) // when the reader is gone there is nobody to tell
		}}, nil
	})
	a.forgetErrorModel()
}
