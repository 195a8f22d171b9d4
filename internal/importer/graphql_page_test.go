package importer

import (
	"testing"
	"time"
)

// TestPagesGrow to what GitLab gives in four seconds of its work, by the rows
// that it gave; an answer that tells nothing of a larger page changes nothing.
func TestPagesGrow(t *testing.T) {
	for name, tt := range map[string]struct {
		asked, got int
		took       time.Duration
		want       int
	}{
		"little work":             {20, 20, 300 * time.Millisecond, 100},
		"some work":               {20, 20, time.Second, 80},
		"as much as is right":     {20, 20, 3 * time.Second, 20},
		"too much":                {20, 20, 9 * time.Second, 20},
		"a short list, quickly":   {20, 3, 100 * time.Millisecond, 100},
		"a short list, slowly":    {20, 3, time.Second, 20},
		"nothing":                 {20, 0, time.Millisecond, 20},
		"no time":                 {20, 1, 0, 100},
		"the last step":           {20, 20, 800 * time.Millisecond, 100},
		"a page asked for before": {40, 40, time.Millisecond, 20},
	} {
		s := newBulkSize()
		s.succeeded(tt.asked, tt.got, tt.took)
		if got := s.get(); got != tt.want {
			t.Errorf("%s: %d pipelines a page, want %d", name, got, tt.want)
		}
	}
}
