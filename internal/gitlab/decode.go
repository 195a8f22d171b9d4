package gitlab

import "encoding/json"

// The answers that come by the hundred thousand, read by the scanner. The keys
// are those of the json tags in types.go, which a test holds together.

// scanned is an answer that the scanner reads, instead of encoding/json.
type scanned interface{ scan(*scanner) error }

// decode reads a whole answer.
func decode(b []byte, v any) error {
	fast, ok := v.(scanned)
	if !ok {
		return json.Unmarshal(b, v)
	}
	s := newScanner(b)
	isNull, err := s.null()
	if err == nil && !isNull {
		err = fast.scan(s)
	}
	if err == nil {
		err = s.end()
	}
	return err
}

// decodeItems reads a whole page; nil for null.
func decodeItems[T any](b []byte) ([]T, error) {
	var items []T
	if _, ok := any(new(T)).(scanned); !ok {
		err := json.Unmarshal(b, &items)
		return items, err
	}
	s := newScanner(b)
	isNull, err := s.null()
	if err == nil && !isNull {
		items = []T{}
		err = s.array(func() error {
			items = append(items, *new(T))
			isNull, err := s.null()
			if isNull || err != nil {
				return err
			}
			return any(&items[len(items)-1]).(scanned).scan(s)
		})
	}
	if err == nil {
		err = s.end()
	}
	return items, err
}

// read makes a reader of T from its scan.
func read[T any, P interface {
	*T
	scanned
}](s *scanner) func() (T, error) {
	return func() (v T, err error) {
		err = P(&v).scan(s)
		return v, err
	}
}

func (j *Job) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &j.ID, s.integer)
		case "status":
			return into(s, &j.Status, s.word)
		case "stage":
			return intoField(s, &j.Stage, s.word)
		case "name":
			return into(s, &j.Name, s.word)
		case "ref":
			return intoField(s, &j.Ref, s.word)
		case "tag":
			return intoField(s, &j.Tag, s.boolean)
		case "allow_failure":
			return intoField(s, &j.AllowFailure, s.boolean)
		case "coverage":
			return intoField(s, &j.Coverage, s.coverage)
		case "created_at":
			return intoField(s, &j.CreatedAt, s.time)
		case "started_at":
			return intoField(s, &j.StartedAt, s.time)
		case "finished_at":
			return intoField(s, &j.FinishedAt, s.time)
		case "erased_at":
			return intoField(s, &j.ErasedAt, s.time)
		case "duration":
			return intoField(s, &j.Duration, s.float)
		case "queued_duration":
			return intoField(s, &j.QueuedDuration, s.float)
		case "user":
			return intoField(s, &j.User, read[User](s))
		case "commit":
			return intoField(s, &j.Commit, read[Commit](s))
		case "pipeline":
			return intoField(s, &j.Pipeline, read[PipelineListItem](s))
		case "web_url":
			return intoField(s, &j.WebURL, s.text)
		case "failure_reason":
			return intoField(s, &j.FailureReason, s.word)
		case "artifacts":
			return intoField(s, &j.Artifacts, list(s, read[Artifact](s)))
		case "runner":
			return intoField(s, &j.Runner, read[Runner](s))
		case "tag_list":
			return intoField(s, &j.TagList, list(s, s.word))
		case "downstream_pipeline":
			return intoField(s, &j.DownstreamPipeline, read[PipelineListItem](s))
		}
		return s.skip()
	})
}

func (p *PipelineListItem) scan(s *scanner) error {
	return s.object(func(key []byte) error { return p.field(s, key) })
}

func (p *PipelineListItem) field(s *scanner, key []byte) error {
	switch string(key) {
	case "id":
		return into(s, &p.ID, s.integer)
	case "iid":
		return intoField(s, &p.IID, s.integer)
	case "project_id":
		return intoField(s, &p.ProjectID, s.integer)
	case "sha":
		return intoField(s, &p.SHA, s.word)
	case "ref":
		return intoField(s, &p.Ref, s.word)
	case "status":
		return into(s, &p.Status, s.word)
	case "source":
		return intoField(s, &p.Source, s.word)
	case "created_at":
		return intoField(s, &p.CreatedAt, s.time)
	case "updated_at":
		return intoField(s, &p.UpdatedAt, s.time)
	case "web_url":
		return intoField(s, &p.WebURL, s.word)
	case "name":
		return intoField(s, &p.Name, s.word)
	}
	return s.skip()
}

func (p *Pipeline) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "before_sha":
			return intoField(s, &p.BeforeSHA, s.word)
		case "tag":
			return intoField(s, &p.Tag, s.boolean)
		case "yaml_errors":
			return intoField(s, &p.YAMLErrors, s.text)
		case "user":
			return intoField(s, &p.User, read[User](s))
		case "started_at":
			return intoField(s, &p.StartedAt, s.time)
		case "finished_at":
			return intoField(s, &p.FinishedAt, s.time)
		case "committed_at":
			return intoField(s, &p.CommittedAt, s.time)
		case "duration":
			return intoField(s, &p.Duration, s.float)
		case "queued_duration":
			return intoField(s, &p.QueuedDuration, s.float)
		case "coverage":
			return intoField(s, &p.Coverage, s.coverage)
		case "detailed_status":
			return intoField(s, &p.DetailedStatus, read[DetailedStatus](s))
		}
		return p.field(s, key)
	})
}

func (u *User) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &u.ID, s.integer)
		case "username":
			return into(s, &u.Username, s.word)
		case "name":
			return intoField(s, &u.Name, s.word)
		case "state":
			return intoField(s, &u.State, s.word)
		case "bot":
			return intoField(s, &u.Bot, s.boolean)
		case "web_url":
			return intoField(s, &u.WebURL, s.word)
		}
		return s.skip()
	})
}

func (c *Commit) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &c.ID, s.word)
		case "committed_date":
			return intoField(s, &c.CommittedDate, s.time)
		}
		return s.skip()
	})
}

func (d *DetailedStatus) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		if string(key) == "group" {
			return intoField(s, &d.Group, s.word)
		}
		return s.skip()
	})
}

func (a *Artifact) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "file_type":
			return into(s, &a.FileType, s.word)
		case "size":
			return intoField(s, &a.Size, s.integer)
		}
		return s.skip()
	})
}

func (r *Runner) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &r.ID, s.integer)
		case "description":
			return intoField(s, &r.Description, s.word)
		case "runner_type":
			return intoField(s, &r.RunnerType, s.word)
		case "active":
			return intoField(s, &r.Active, s.boolean)
		}
		return s.skip()
	})
}
