package importer

import (
	"sync"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// GraphQL has a sentence for why a build failed, and none where its own script
// did: silence means script_failure. That is how GitLab is written, and nothing
// that it promises; so it is believed of an instance once this has shown that it
// has sentences, or once REST has said script_failure of some builds about which
// GraphQL is silent. Until then, and wherever REST has ever said otherwise, such
// a build is one that GraphQL does not explain, and REST is asked as for others.

// silentBuilds is how many builds REST has to say it of.
const silentBuilds = 10

// silences is what is known of each instance, as long as the process lives.
type silences struct {
	mu    sync.Mutex
	known map[ci.InstanceID]silence
}

type silence struct {
	sentences bool // it has some
	scripts   int  // builds without one whose script failed
	others    bool // and one that failed for another reason
}

// note changes what is known of an instance.
func (s *silences) note(in ci.InstanceID, change func(*silence)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = make(map[ci.InstanceID]silence)
	}
	now := s.known[in]
	change(&now)
	s.known[in] = now
}

// silenceIsScript says whether a build that failed without a sentence is one
// whose script did.
func (v *visit) silenceIsScript() bool {
	s := &v.run.silences
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.known[v.project.InstanceID]
	return !now.others && (now.sentences || now.scripts >= silentBuilds)
}

// noteSentence notes that GraphQL said why a build failed.
func (v *visit) noteSentence() {
	v.run.silences.note(v.project.InstanceID, func(s *silence) { s.sentences = true })
}

// compareSilence learns from rows of a pipeline's jobs, of which some are REST's.
func (v *visit) compareSilence(jobs []gitlab.RunJob, rows []ci.Job) {
	silent := make(map[ci.JobID]bool)
	for _, j := range jobs {
		if _, told := j.FailureMessage.Get(); failedBuild(j) && !told {
			silent[ci.JobID(j.ID)] = true
		}
	}
	v.run.silences.note(v.project.InstanceID, func(s *silence) {
		for _, j := range rows {
			if !silent[j.ID] || j.TimePrecision != ci.Milliseconds || j.Status != ci.Failed {
				continue
			}
			if j.FailureReason != nil && *j.FailureReason == scriptFailure {
				s.scripts++
			} else {
				s.others = true
			}
		}
	})
}
