package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/weirhq/weir/internal/metric"
)

// Reports lists what can be measured, and what it means.
func (c *Client) Reports(ctx context.Context) (Reports, error) {
	return call[Reports](ctx, c, http.MethodGet, "/reports", nil)
}

// Report asks a metric. Its errors are not_found for a metric that there is
// none of and bad_request for what does not fit it. Numbers in the rows are
// json.Number, with every digit.
func (c *Client) Report(ctx context.Context, q metric.Query) (Report, error) {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Add(name, value)
		}
	}
	set("from", q.From)
	set("to", q.To)
	set("tz", q.TZ)
	set("compare", q.Compare)
	set("run", q.Run)
	if q.Limit != 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	join := func(name string, list []string) {
		all := ""
		for i, element := range list {
			if i > 0 {
				all += ","
			}
			all += element
		}
		set(name, all)
	}
	join("by", q.By)
	join("include", q.Include)
	for _, filter := range q.Where {
		values.Add("where", filter)
	}
	path := "/report/" + url.PathEscape(q.Metric)
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	res, err := c.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return Report{}, cutOff(ctx, "The report", err)
	}
	r := Report{Raw: text}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return Report{}, cutOff(ctx, "The report", err)
	}
	return r, nil
}
