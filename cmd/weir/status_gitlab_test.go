package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
)

func TestGitLabStatus(t *testing.T) {
	at := func(clock string) *time.Time {
		parsed, err := time.Parse(time.DateTime, "2026-11-23 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return &parsed
	}
	for name, tt := range map[string]struct {
		standing *api.Standing
		want     string
	}{
		"nothing asked yet": {nil, ""},
		"no limit announced": {
			&api.Standing{Credentials: []api.CredentialStanding{{ID: 3, Concurrency: 4, RequestsLastMinute: 1, Share: 0.6}}},
			"  credential 3: 1 request in the last minute, 0 of 4 at once; GitLab announced no limit\n",
		},
		"all at once": {
			&api.Standing{
				DownSince: at("17:03:12"), NextProbeAt: at("17:04:00"), LastFailure: new("GET /version: 502: Bad\x1b Gateway"),
				QuietHours: new("08:00-18:00 UTC"), QuietNow: true, QuietUntil: at("18:00:00"), QuietCeiling: new(0.5),
				Credentials: []api.CredentialStanding{{
					ID: 1, Concurrency: 12, InFlight: 3, Waiting: 40, RequestsLastMinute: 1180, Share: 0.6, MaxRequestsPerMinute: new(1200.),
					RateLimit: new(2000.), Remaining: new(820.), WindowEndsAt: at("17:04:00"), ToldAt: at("17:03:11"),
					ThrottledSeconds: 95, Refused: 2, BlockedUntil: at("17:05:00"), RestingUntil: at("17:04:00"),
				}},
			},
			`  GitLab has not answered since 2026-11-23 17:03:12Z (GET /version: 502: Bad\x1b Gateway); the next request goes at 2026-11-23 17:04:00Z
  quiet hours until 2026-11-23 18:00:00Z (08:00-18:00 UTC): background work keeps to 0.5 requests a minute
  credential 1: 1,180 requests in the last minute, 3 of 12 at once; 40 waiting; weir uses 60 % of GitLab's 2000 a minute, of which 820 were left at 2026-11-23 17:03:11Z until 2026-11-23 17:04:00Z; at most 1200 a minute; GitLab asked to wait until 2026-11-23 17:05:00Z; resting until 2026-11-23 17:04:00Z; waited 1m35s for limits; refused 2 times by 429
`,
		},
		"a pause for ever": {
			&api.Standing{QuietHours: new("00:00-24:00 UTC"), QuietNow: true, QuietCeiling: new(0.)},
			"  quiet hours (00:00-24:00 UTC): background work pauses\n",
		},
		"quiet hours of later": {&api.Standing{QuietHours: new("08:00-18:00 UTC"), QuietCeiling: new(0.)}, ""},
	} {
		var out strings.Builder
		(&program{stdout: &out}).gitLabStatus(tt.standing)
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
