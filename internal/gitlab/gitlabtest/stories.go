package gitlabtest

import "time"

// Stories is what Demo hid in its world, so that reports can be tested to find
// it.
type Stories struct {
	SlowProject      string // its pipelines take the longest
	FlakyProject     string
	FlakyJob         string // fails and passes on the same commit
	JumpProject      string
	JumpJob          string    // took much longer from one day to the next
	JumpAt           time.Time // midnight UTC of that day
	JumpFactor       float64   // by how much
	BrokenProject    string    // whose default branch failed for a while
	BrokenFrom       time.Time
	BrokenUntil      time.Time
	SaturatedRunner  string // takes one job at a time, and its jobs wait in the queue
	CostlyProject    string // burns the most runner minutes, and dear ones
	UnmappedProject  string // belongs to no service that anyone would guess
	ForbiddenProject string // the token may not read its pipelines
	DisabledProject  string // has CI/CD switched off
}
