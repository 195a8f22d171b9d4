package gitlab

// RequestsPerMinute gives how many requests a minute may go at most, all
// credentials together: the hard ceiling, or the share of the limit that GitLab
// has announced, whichever is lower; 0 where neither is known of a credential.
func (c *Client) RequestsPerMinute() float64 {
	var sum float64
	for _, cred := range c.credentials {
		s := cred.governor.State()
		allowed := s.RateLimit * s.Share
		if s.Ceiling > 0 && (allowed == 0 || s.Ceiling < allowed) {
			allowed = s.Ceiling
		}
		if allowed == 0 {
			return 0
		}
		sum += allowed
	}
	return sum
}
