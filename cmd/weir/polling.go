package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/weirhq/weir/internal/server"
)

// How weir serve and weir sync --watch poll, from the settings.

// polling is what the settings say of it.
func (p *program) polling() (*server.Poll, error) {
	low, err := p.span("poll-interval-min")
	if err != nil {
		return nil, err
	}
	high, err := p.span("poll-interval-max")
	if err != nil {
		return nil, err
	}
	if high < low {
		return nil, &usageError{
			cause:  fmt.Sprintf("poll-interval-max is %s, which is shorter than poll-interval-min, %s", high, low),
			remedy: "Give a longest pause that is no shorter than the shortest one.",
		}
	}
	ceiling, err := p.ceiling()
	if err != nil {
		return nil, err
	}
	return &server.Poll{Min: low, Max: high, Plan: p.settings.value("plan"), MaxRequestsPerMinute: ceiling}, nil
}

// span reads a setting that is a pause.
func (p *program) span(name string) (time.Duration, error) {
	given := p.settings.value(name)
	d, err := time.ParseDuration(given)
	if err != nil || d < time.Second {
		return 0, &usageError{
			cause:  fmt.Sprintf("%s is %q, which is not a span of a second or more", name, given),
			remedy: "Use one such as 30s or 10m.",
		}
	}
	return d, nil
}

// toggled reads a setting that is true or false.
func (p *program) toggled(name string) (bool, error) {
	given := p.settings.value(name)
	on, err := strconv.ParseBool(given)
	if err != nil {
		return false, &usageError{cause: fmt.Sprintf("%s is %q, which is neither true nor false", name, given), remedy: "Use true or false."}
	}
	return on, nil
}
