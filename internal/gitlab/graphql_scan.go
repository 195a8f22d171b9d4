package gitlab

import (
	"errors"
	"strconv"
	"strings"
)

// The forms in which GraphQL writes values that REST writes otherwise, and the
// parts that every answer has.

// globalID reads gid://gitlab/Ci::Pipeline/123 and gives its model and number.
func (s *scanner) globalID() (model string, n int64, err error) {
	s.peek()
	start := s.at
	text, err := s.literal()
	if err != nil {
		return "", 0, err
	}
	model, number, _ := strings.Cut(strings.TrimPrefix(string(text), "gid://gitlab/"), "/")
	n, err = strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || !strings.HasPrefix(string(text), "gid://gitlab/") {
		s.at = start
		return "", 0, s.fail("a global id such as gid://gitlab/Project/1 must be here")
	}
	return model, n, nil
}

// idOf makes a reader of global ids of one model.
func (s *scanner) idOf(want string) func() (int64, error) {
	return func() (int64, error) {
		s.peek()
		start := s.at
		model, n, err := s.globalID()
		if err == nil && model != want {
			s.at = start
			return 0, s.fail("the id of a " + want + " must be here")
		}
		return n, err
	}
}

// number64 reads a whole number, or a string that holds one: GraphQL writes
// iids and large numbers as strings.
func (s *scanner) number64() (int64, error) {
	if s.peek() != '"' {
		return s.integer()
	}
	start := s.at
	text, err := s.literal()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		s.at = start
		return 0, s.fail("a whole number must be here")
	}
	return n, nil
}

// enum reads a word that GraphQL writes in upper case and REST in lower case;
// words that weir does not know as well.
func (s *scanner) enum() (string, error) {
	word, err := s.word()
	return strings.ToLower(word), err
}

// inside makes a reader of one key of an object, such as {"nodes": …}, and
// passes over the others. It gives the zero value when the key is missing.
func inside[T any](s *scanner, key string, read func() (T, error)) func() (T, error) {
	return func() (v T, err error) {
		err = s.object(func(k []byte) error {
			if string(k) == key {
				return into(s, &v, read)
			}
			return s.skip()
		})
		return v, err
	}
}

// connection is what a page says about itself.
type connection struct {
	more, hasInfo, hasNodes bool
	end                     string
	count                   Field[int64]
}

// scan reads a page, of which node reads each row.
func (p *connection) scan(s *scanner, node func() error) error {
	return s.object(func(key []byte) error {
		isNull, err := s.null()
		if isNull || err != nil {
			return err
		}
		switch string(key) {
		case "nodes":
			p.hasNodes = true
			return s.array(func() error {
				if isNull, err := s.null(); err != nil {
					return err
				} else if isNull {
					return errors.New("a row is null: GitLab could not write it")
				}
				return node()
			})
		case "pageInfo":
			p.hasInfo = true
			return s.object(func(key []byte) error {
				switch string(key) {
				case "hasNextPage":
					return into(s, &p.more, s.boolean)
				case "endCursor":
					return into(s, &p.end, s.text)
				}
				return s.skip()
			})
		case "count":
			return intoField(s, &p.count, s.integer)
		}
		return s.skip()
	})
}

// next gives the cursor of the page after this one, "" at the end of the list.
func (p *connection) next(after string) (string, error) {
	switch {
	case !p.hasNodes:
		return "", errors.New("a page without rows and without an empty list of them")
	case !p.hasInfo:
		return "", errors.New("a page that does not say whether another one follows")
	case !p.more:
		return "", nil
	case p.end == "":
		return "", errors.New("a page that another one follows, without its cursor")
	case p.end == after:
		return "", errors.New("a page whose cursor leads back to itself")
	}
	return p.end, nil
}

// reach is what an answer says about a project before its pipelines.
type reach struct {
	id          int64
	webURL      Field[string]
	jobsEnabled Field[bool]
	readsRuns   Field[bool]
}

// field reads one key of a project; false when it is none of these.
func (p *reach) field(s *scanner, key []byte) (bool, error) {
	switch string(key) {
	case "id":
		return true, into(s, &p.id, s.idOf("Project"))
	case "webUrl":
		return true, intoField(s, &p.webURL, s.text)
	case "jobsEnabled":
		return true, intoField(s, &p.jobsEnabled, s.boolean)
	case "userPermissions":
		return true, intoField(s, &p.readsRuns, inside(s, "readCommitStatus", s.boolean))
	}
	return false, nil
}

// barred says whether GitLab would hide the project's pipelines or jobs.
func (p *reach) barred() bool { return !p.jobsEnabled.Or(true) || !p.readsRuns.Or(true) }
