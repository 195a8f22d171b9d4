package gitlab

// mostCounted is the largest count that GitLab gives; beyond it, it gives one more.
const mostCounted = 1_000

// The rows of GraphQL's answers, read by the scanner. Their keys are those of
// the documents beside this file.

func (r *scannedRun) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &r.ID, s.idOf("Ci::Pipeline"))
		case "iid":
			return intoField(s, &r.IID, s.number64)
		case "name":
			return intoField(s, &r.Name, s.word)
		case "status":
			return into(s, &r.Status, s.enum)
		case "source":
			return intoField(s, &r.Source, s.word)
		case "ref":
			return intoField(s, &r.Ref, s.word)
		case "refPath":
			var path Field[string]
			err := intoField(s, &path, s.word)
			r.Tag = isTag(path)
			return err
		case "sha":
			return intoField(s, &r.SHA, s.word)
		case "beforeSha":
			return intoField(s, &r.BeforeSHA, s.word)
		case "createdAt":
			return intoField(s, &r.CreatedAt, s.time)
		case "updatedAt":
			return intoField(s, &r.UpdatedAt, s.time)
		case "startedAt":
			return intoField(s, &r.StartedAt, s.time)
		case "finishedAt":
			return intoField(s, &r.FinishedAt, s.time)
		case "committedAt":
			return intoField(s, &r.CommittedAt, s.time)
		case "duration":
			return intoField(s, &r.Duration, s.float)
		case "queuedDuration":
			return intoField(s, &r.QueuedDuration, s.float)
		case "coverage":
			return intoField(s, &r.Coverage, s.coverage)
		case "yamlErrorMessages":
			return intoField(s, &r.YAMLErrors, s.text)
		case "failureReason":
			return intoField(s, &r.FailureReason, s.word)
		case "warnings":
			return intoField(s, &r.Warnings, s.boolean)
		case "child":
			return intoField(s, &r.Child, s.boolean)
		case "path":
			return intoField(s, &r.WebURL, s.text)
		case "user":
			return intoField(s, &r.User, s.graphQLUser)
		case "commit":
			return intoField(s, &r.Commit, s.graphQLCommit)
		case "upstream":
			return intoField(s, &r.UpstreamID, inside(s, "id", s.idOf("Ci::Pipeline")))
		case "builds":
			var counted connection
			err := counted.scan(s, s.skip)
			if n, ok := counted.count.Get(); ok && n <= mostCounted {
				r.Builds = counted.count
			}
			return err
		case "jobs":
			if isNull, err := s.null(); isNull || err != nil {
				return err
			}
			r.jobs, s.jobs = new(connection), s.jobs[:0]
			err := r.jobs.scan(s, func() error {
				s.jobs = append(s.jobs, RunJob{})
				return s.jobs[len(s.jobs)-1].scan(s)
			})
			r.Jobs = append([]RunJob(nil), s.jobs...)
			return err
		}
		return s.skip()
	})
}

func (j *RunJob) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			if isNull, err := s.null(); isNull || err != nil {
				return err
			}
			model, n, err := s.globalID()
			j.ID, j.Kind = n, kindOf(model)
			return err
		case "name":
			return into(s, &j.Name, s.word)
		case "status":
			return into(s, &j.Status, s.enum)
		case "stage":
			return intoField(s, &j.Stage, inside(s, "name", s.word))
		case "allowFailure":
			return intoField(s, &j.AllowFailure, s.boolean)
		case "manualJob":
			return intoField(s, &j.Manual, s.boolean)
		case "retried":
			return intoField(s, &j.Retried, s.boolean)
		case "coverage":
			return intoField(s, &j.Coverage, s.coverage)
		case "createdAt":
			return intoField(s, &j.CreatedAt, s.time)
		case "queuedAt":
			return intoField(s, &j.QueuedAt, s.time)
		case "scheduledAt":
			return intoField(s, &j.ScheduledAt, s.time)
		case "startedAt":
			return intoField(s, &j.StartedAt, s.time)
		case "finishedAt":
			return intoField(s, &j.FinishedAt, s.time)
		case "erasedAt":
			return intoField(s, &j.ErasedAt, s.time)
		case "duration":
			return intoField(s, &j.Duration, s.float)
		case "queuedDuration":
			return intoField(s, &j.QueuedDuration, s.float)
		case "failureMessage":
			return intoField(s, &j.FailureMessage, s.word)
		case "exitCode":
			return intoField(s, &j.ExitCode, s.integer)
		case "webPath":
			return intoField(s, &j.WebURL, s.text)
		case "tags":
			return intoField(s, &j.TagList, list(s, s.word))
		case "runner":
			return intoField(s, &j.Runner, s.graphQLRunner)
		case "artifacts":
			return intoField(s, &j.Artifacts, inside(s, "nodes", list(s, s.graphQLArtifact)))
		case "downstreamPipeline":
			return intoField(s, &j.DownstreamPipeline, func() (PipelineListItem, error) {
				n, err := inside(s, "id", s.idOf("Ci::Pipeline"))()
				return PipelineListItem{ID: n}, err
			})
		case "needs":
			return intoField(s, &j.Needs, inside(s, "nodes", list(s, inside(s, "name", s.word))))
		}
		return s.skip()
	})
}

func (s *scanner) graphQLUser() (u User, err error) {
	err = s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &u.ID, s.idOf("User"))
		case "username":
			return into(s, &u.Username, s.word)
		case "name":
			return intoField(s, &u.Name, s.word)
		case "state":
			return intoField(s, &u.State, s.enum)
		case "bot":
			return intoField(s, &u.Bot, s.boolean)
		case "webUrl":
			return intoField(s, &u.WebURL, s.word)
		}
		return s.skip()
	})
	return u, err
}

func (s *scanner) graphQLCommit() (c Commit, err error) {
	err = s.object(func(key []byte) error {
		switch string(key) {
		case "sha":
			return into(s, &c.ID, s.word)
		case "committedDate":
			return intoField(s, &c.CommittedDate, s.time)
		}
		return s.skip()
	})
	return c, err
}

func (s *scanner) graphQLRunner() (r Runner, err error) {
	err = s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &r.ID, s.idOf("Ci::Runner"))
		case "description":
			return intoField(s, &r.Description, s.word)
		case "runnerType":
			return intoField(s, &r.RunnerType, s.enum)
		}
		return s.skip()
	})
	return r, err
}

func (s *scanner) graphQLArtifact() (a Artifact, err error) {
	err = s.object(func(key []byte) error {
		switch string(key) {
		case "fileType":
			return into(s, &a.FileType, s.enum)
		case "size":
			return intoField(s, &a.Size, s.number64)
		}
		return s.skip()
	})
	return a, err
}
