package ci

import (
	"slices"
	"time"
)

// PathGains says how much earlier a run would have ended had a job taken no
// time and everything else been as it was, for each base name on its path, which
// is what CriticalPath gives of the pieces, stages and needs. That is less than
// the job's own time where something else had to be waited for meanwhile: of
// three jobs side by side that take 26, 23 and 21 minutes the first gains 3.
// Attempts of one base name (retries, matrix and n/m parts) vanish together.
//
// A job's stretches on the path are looked at one by one: what followed would
// have been ready when the last of its other predecessors had ended, and not
// before the stretch itself was ready. No path gives an empty map.
func PathGains(path, pieces []PathPiece, stages map[string]JobID, needs map[string][]string) map[string]time.Duration {
	gains := map[string]time.Duration{}
	for i := 0; i < len(path); {
		name, ready := path[i].BaseName, path[i].Ready
		last := i
		for last+1 < len(path) && path[last+1].BaseName == name {
			last++
		}
		free := ready // when what followed could have begun without it
		for j := range pieces {
			other := &pieces[j]
			if other.BaseName == name || !other.Finished.After(free) {
				continue
			}
			if last+1 < len(path) && !waitsFor(&path[last+1], other, stages, needs) {
				continue
			}
			free = other.Finished
		}
		gains[name] += max(0, path[last].Finished.Sub(free))
		i = last + 1
	}
	return gains
}

// waitsFor says whether a piece is among those that another could not begin
// before, and had ended when it was ready.
func waitsFor(piece, earlier *PathPiece, stages map[string]JobID, needs map[string][]string) bool {
	deadline := piece.Ready
	if piece.Coarse {
		deadline = deadline.Add(time.Second) // either of the two was cut by up to that
	}
	if earlier.Finished.After(deadline) || earlier.ID == piece.ID {
		return false
	}
	if needed, known := needs[piece.Name]; known {
		return slices.Contains(needed, earlier.Name)
	}
	return stages[earlier.Stage] < stages[piece.Stage] || earlier.Kind == piece.Kind && earlier.Name == piece.Name && earlier.ID < piece.ID
}
