package api

import "time"

// Standing says how the answering process stands with a connection's GitLab at
// this moment. Another process that imports keeps its own account.
type Standing struct {
	DownSince    *time.Time `json:"down_since" doc:"since when GitLab has not answered, so that only single probes are sent; null: it answers"`
	NextProbeAt  *time.Time `json:"next_probe_at" doc:"when the next probe goes, at the earliest; null: GitLab answers, or a probe is under way"`
	LastFailure  *string    `json:"last_failure" doc:"what GitLab failed with last; null: with nothing since weir started"`
	TimesDown    int64      `json:"times_down" doc:"how often GitLab was found down since weir started"`
	QuietHours   *string    `json:"quiet_hours" doc:"the setting quiet-hours; null: none"`
	QuietNow     bool       `json:"quiet_now" doc:"background work keeps to quiet_requests_per_minute now"`
	QuietUntil   *time.Time `json:"quiet_until" doc:"when the quiet hours of now end; null: they are not, or never do"`
	QuietCeiling *float64   `json:"quiet_requests_per_minute" doc:"of a credential in quiet hours, 0: none; null without quiet hours"`
	// Credentials are those that this process has used.
	Credentials []CredentialStanding `json:"credentials" nullable:"false" doc:"those that this process has used"`
}

// CredentialStanding is what the governor of a token knows. What GitLab has not
// said is null.
type CredentialStanding struct {
	ID                   int64      `json:"id"`
	Concurrency          int64      `json:"concurrency" doc:"requests that may be in flight now"`
	InFlight             int64      `json:"in_flight"`
	Waiting              int64      `json:"waiting" doc:"requests that wait for their turn"`
	RequestsLastMinute   int64      `json:"requests_last_minute"`
	Share                float64    `json:"share" doc:"of each limit that weir uses, 0 to 1"`
	MaxRequestsPerMinute *float64   `json:"max_requests_per_minute" doc:"the hard ceiling in force; null: none"`
	RateLimit            *float64   `json:"rate_limit" doc:"GitLab's RateLimit-Limit, requests a minute; null: not said"`
	Remaining            *float64   `json:"remaining" doc:"GitLab's RateLimit-Remaining: requests left in the window for everything that uses the token's user; null: not said"`
	WindowEndsAt         *time.Time `json:"window_ends_at" doc:"GitLab's RateLimit-Reset; null: not said"`
	ToldAt               *time.Time `json:"told_at" doc:"when GitLab said so; null: it never did"`
	ThrottledSeconds     float64    `json:"throttled_seconds" doc:"for how long limits and the ceiling have held requests back since weir started"`
	Refused              int64      `json:"refused" doc:"answers of 429 since weir started"`
	BlockedUntil         *time.Time `json:"blocked_until" doc:"GitLab asked to wait until then; null: it does not"`
	RestingUntil         *time.Time `json:"resting_until" doc:"weir's share of the window is used up until then; null: it is not"`
}
