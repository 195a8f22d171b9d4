package main

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/api"
)

// gitLabStatus tells how weir stands with a connection's GitLab: whether it is
// down, whether these are quiet hours, and what each credential may ask.
// Nothing when the answering process has asked nothing yet.
func (p *program) gitLabStatus(s *api.Standing) {
	if s == nil {
		return
	}
	if s.DownSince != nil {
		line := fmt.Sprintf("  GitLab has not answered since %s", atText(s.DownSince))
		if s.LastFailure != nil {
			line += fmt.Sprintf(" (%s)", printable(*s.LastFailure))
		}
		if s.NextProbeAt != nil {
			line += "; the next request goes at " + atText(s.NextProbeAt)
		}
		fmt.Fprintln(p.stdout, line)
	}
	if s.QuietNow && s.QuietHours != nil && s.QuietCeiling != nil {
		line := "  quiet hours"
		if s.QuietUntil != nil {
			line += " until " + atText(s.QuietUntil)
		}
		line += fmt.Sprintf(" (%s): background work ", printable(*s.QuietHours))
		if *s.QuietCeiling > 0 {
			line += fmt.Sprintf("keeps to %g requests a minute", *s.QuietCeiling)
		} else {
			line += "pauses"
		}
		fmt.Fprintln(p.stdout, line)
	}
	for _, c := range s.Credentials {
		fmt.Fprintf(p.stdout, "  credential %d: %s\n", c.ID, strings.Join(credentialFacts(c), "; "))
	}
}

// credentialFacts leaves out what is not known, and what is not the case.
func credentialFacts(c api.CredentialStanding) []string {
	facts := []string{fmt.Sprintf("%s in the last minute, %d of %d at once", count(c.RequestsLastMinute, "request"), c.InFlight, c.Concurrency)}
	if c.Waiting > 0 {
		facts = append(facts, fmt.Sprintf("%d waiting", c.Waiting))
	}
	if c.RateLimit != nil {
		limit := fmt.Sprintf("weir uses %.0f %% of GitLab's %g a minute", c.Share*100, *c.RateLimit)
		if c.Remaining != nil {
			limit += fmt.Sprintf(", of which %g were left at %s", *c.Remaining, atText(c.ToldAt))
		}
		if c.WindowEndsAt != nil {
			limit += " until " + atText(c.WindowEndsAt)
		}
		facts = append(facts, limit)
	} else {
		facts = append(facts, "GitLab announced no limit")
	}
	if c.MaxRequestsPerMinute != nil {
		facts = append(facts, fmt.Sprintf("at most %g a minute", *c.MaxRequestsPerMinute))
	}
	if c.BlockedUntil != nil {
		facts = append(facts, "GitLab asked to wait until "+atText(c.BlockedUntil))
	}
	if c.RestingUntil != nil {
		facts = append(facts, "resting until "+atText(c.RestingUntil))
	}
	if c.ThrottledSeconds >= 1 {
		facts = append(facts, "waited "+spanText(c.ThrottledSeconds)+" for limits")
	}
	if c.Refused > 0 {
		facts = append(facts, fmt.Sprintf("refused %s by 429", timesText(c.Refused)))
	}
	return facts
}

func timesText(n int64) string {
	if n == 1 {
		return "once"
	}
	return thousands(n) + " times"
}
