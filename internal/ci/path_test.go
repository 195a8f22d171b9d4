package ci

import (
	"strings"
	"testing"
	"time"
)

func TestCriticalPath(t *testing.T) {
	stages := map[string]JobID{"build": 1, "test": 3, "deploy": 5}
	at := func(s float64) time.Time {
		return time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second)))
	}
	piece := func(id JobID, name, stage string, ready, finished float64) PathPiece {
		return PathPiece{ID: id, Name: name, Stage: stage, Kind: Build, Ready: at(ready), Finished: at(finished)}
	}
	coarse := func(p PathPiece) PathPiece { p.Coarse = true; return p }
	for _, test := range []struct {
		name   string
		pieces []PathPiece
		needs  map[string][]string
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"the slowest of each stage", []PathPiece{
			piece(1, "a", "build", 0, 10), piece(2, "b", "build", 0, 20), piece(3, "c", "test", 20, 30), piece(4, "d", "test", 20, 25),
			piece(5, "e", "deploy", 30, 40),
		}, nil, "b c e"},
		{"equal ends: the highest id", []PathPiece{piece(1, "a", "build", 0, 10), piece(2, "b", "build", 0, 10)}, nil, "b"},
		{"what ended after it was ready is not waited for", []PathPiece{
			piece(1, "a", "build", 0, 10), piece(2, "b", "build", 0, 20.5), piece(3, "c", "test", 20, 30),
		}, nil, "a c"},
		{"not by less than a millisecond either", []PathPiece{
			piece(1, "a", "build", 0, 10), piece(2, "b", "build", 0, 20.0004), piece(3, "c", "test", 20, 30),
		}, nil, "a c"},
		{"unless the times are cut", []PathPiece{
			piece(1, "a", "build", 0, 10), piece(2, "b", "build", 0, 20.5), coarse(piece(3, "c", "test", 20, 30)),
		}, nil, "b c"},
		{"an attempt waits for the one before", []PathPiece{
			piece(1, "a", "build", 0, 10), piece(3, "c", "test", 10, 20), piece(6, "c", "test", 25, 30),
		}, nil, "a c c"},
		{"jobs of one stage do not wait for each other", []PathPiece{piece(1, "a", "build", 0, 10), piece(2, "b", "build", 10, 20)}, nil, "b"},
		{"needs go before stages", []PathPiece{
			piece(1, "a", "build", 0, 10), piece(2, "b", "build", 0, 20), piece(3, "c", "test", 20, 30),
		}, map[string][]string{"c": {"a"}}, "a c"},
		{"needs within a stage", []PathPiece{
			piece(3, "c", "test", 0, 20), piece(4, "d", "test", 20, 30),
		}, map[string][]string{"d": {"c"}}, "c d"},
		{"needs in a circle end", []PathPiece{
			coarse(piece(3, "c", "test", 10, 10)), coarse(piece(4, "d", "test", 10, 10)),
		}, map[string][]string{"d": {"c"}, "c": {"d"}}, "c d"},
	} {
		var names []string
		for _, p := range CriticalPath(test.pieces, stages, test.needs) {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
