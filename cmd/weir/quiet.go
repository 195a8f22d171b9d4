package main

import (
	"fmt"
	"strconv"

	"github.com/weirhq/weir/internal/gitlab"
)

// quietHours are those of the settings; none when they name none.
func (p *program) quietHours() (gitlab.QuietHours, error) {
	given := p.settings.value("quiet-requests-per-minute")
	perMinute, err := strconv.ParseFloat(given, 64)
	if err != nil || !(perMinute >= 0) || perMinute > 1e9 {
		return gitlab.QuietHours{}, &usageError{
			cause:  fmt.Sprintf("quiet-requests-per-minute is %q, which is not a number of 0 or more", given),
			remedy: "Use one such as 6, 0.5 for one request in two minutes, or 0 for none in quiet hours.",
		}
	}
	quiet, err := gitlab.ParseQuietHours(p.settings.value("quiet-hours"), perMinute)
	if err != nil {
		return quiet, &usageError{cause: err.Error(), remedy: gitlab.QuietForm}
	}
	return quiet, nil
}
