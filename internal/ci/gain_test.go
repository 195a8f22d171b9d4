package ci

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPathGains(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 20, 10, minute, 0, 0, time.UTC) }
	piece := func(id JobID, name, stage string, ready, finished int) PathPiece {
		return PathPiece{ID: id, Name: name, BaseName: BaseName(name), Stage: stage, Kind: Build, Ready: at(ready), Finished: at(finished)}
	}
	stages := map[string]JobID{"build": 1, "test": 10, "deploy": 20}
	build, deploy := piece(1, "build", "build", 0, 5), piece(20, "deploy", "deploy", 30, 33)
	for name, test := range map[string]struct {
		pieces []PathPiece
		needs  map[string][]string
		want   map[string]time.Duration
	}{
		"nothing": {want: map[string]time.Duration{}},
		// Without the longest of three side by side the run waits for the second.
		"side by side": {
			pieces: []PathPiece{build, piece(10, "a", "test", 5, 30), piece(11, "b", "test", 5, 27), piece(12, "c", "test", 5, 20), deploy},
			want:   map[string]time.Duration{"build": 5 * time.Minute, "a": 3 * time.Minute, "deploy": 3 * time.Minute},
		},
		// Parts of one job vanish together.
		"parts": {
			pieces: []PathPiece{build, piece(10, "a 1/2", "test", 5, 30), piece(11, "a 2/2", "test", 5, 29), piece(12, "c", "test", 5, 20), deploy},
			want:   map[string]time.Duration{"build": 5 * time.Minute, "a": 10 * time.Minute, "deploy": 3 * time.Minute},
		},
		// A retry and what it retried are one stretch, with the pause between them.
		"retried": {
			pieces: []PathPiece{build, piece(10, "a", "test", 5, 12), piece(11, "a", "test", 20, 30), deploy},
			want:   map[string]time.Duration{"build": 5 * time.Minute, "a": 25 * time.Minute, "deploy": 3 * time.Minute},
		},
		// What is not needed is not waited for.
		"needs": {
			pieces: []PathPiece{build, piece(10, "a", "test", 5, 30), piece(11, "b", "test", 5, 29), deploy},
			needs:  map[string][]string{"deploy": {"a"}, "a": {"build"}},
			want:   map[string]time.Duration{"build": 5 * time.Minute, "a": 25 * time.Minute, "deploy": 3 * time.Minute},
		},
		// The last one gains no more than what else ran to the end.
		"at the end": {
			pieces: []PathPiece{build, piece(10, "a", "test", 5, 30), piece(11, "b", "test", 5, 29)},
			want:   map[string]time.Duration{"build": 5 * time.Minute, "a": time.Minute},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := CriticalPath(test.pieces, stages, test.needs)
			if diff := cmp.Diff(test.want, PathGains(path, test.pieces, stages, test.needs)); diff != "" {
				t.Errorf("-want +have:\n%s", diff)
			}
		})
	}
}
