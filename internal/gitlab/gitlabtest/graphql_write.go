package gitlabtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// graphQLRun is one query while it is answered.
type graphQLRun struct {
	call         *call
	r            *renderer
	set          graphQLSettings
	score, limit int

	w        *jsonWriter
	rows     int
	spent    bool  // of more rows than the budget has
	path     []any // of the field that is being written
	failures []graphQLFailure
}

// graphQLFailure is an entry of "errors" that stands beside data.
type graphQLFailure struct {
	message string
	path    []any
}

// fail notes an error at the present path, and at what follows it.
func (x *graphQLRun) fail(message string, below ...any) {
	x.failures = append(x.failures, graphQLFailure{message, slices.Concat(x.path, below)})
}

// spend counts a row; false when the time for this query is over.
func (x *graphQLRun) spend() bool {
	x.rows++
	if x.set.budget > 0 && x.rows > x.set.budget {
		x.spent = true
	}
	return !x.spent
}

// object writes a member that is an object, or null when write says that it
// has no value after all.
func (x *graphQLRun) object(f *graphQLField, write func([]*graphQLField) bool) {
	x.w.key(f.key)
	x.path = append(x.path, f.key)
	x.value(func() bool { return write(f.sub) })
	x.path = x.path[:len(x.path)-1]
}

// value writes an object, or null.
func (x *graphQLRun) value(write func() bool) {
	at := len(x.w.b)
	x.w.b = append(x.w.b, '{')
	if !write() {
		x.w.b = append(x.w.b[:at], "null"...)
		return
	}
	x.w.b = append(x.w.b, '}')
}

// typename writes __typename, which every object has; false for other fields.
func (x *graphQLRun) typename(f *graphQLField) bool {
	if f.name != "__typename" {
		return false
	}
	x.w.str(f.key, f.on)
	return true
}

func (x *graphQLRun) enum(k, word string) { x.w.str(k, strings.ToUpper(word)) }

func (x *graphQLRun) id(k, model string, id int64) {
	x.w.str(k, "gid://gitlab/"+model+"/"+strconv.FormatInt(id, 10))
}

// seconds is how GraphQL writes times: cut to whole seconds.
func (x *graphQLRun) seconds(k string, t *time.Time) {
	if t == nil {
		x.w.null(k)
		return
	}
	x.w.key(k)
	x.w.b = append(x.w.b, '"')
	x.w.b = t.AppendFormat(x.w.b, time.RFC3339)
	x.w.b = append(x.w.b, '"')
}

// listPage is a part of a list, of which each row has a cursor.
type listPage[T any] struct {
	rows   []T
	more   bool
	cursor func(T) string
	count  func() int // of the whole list
}

// counted is a list's count as GitLab gives it: of jobs it counts to a limit,
// and gives one more for whatever is beyond.
func counted(f *graphQLField, n int) int64 {
	if f.on != "CiJobConnection" {
		return int64(n)
	}
	limit, ok := f.args["limit"].(int64)
	if !ok {
		limit = 1000
	}
	return min(int64(n), limit+1)
}

// connection writes a page as a Relay connection.
func connection[T any](x *graphQLRun, f *graphQLField, p *listPage[T], row func([]*graphQLField, T) bool) {
	if p == nil {
		x.w.null(f.key)
		return
	}
	x.object(f, func(fields []*graphQLField) bool {
		for _, f := range fields {
			switch f.name {
			case "count":
				x.w.int(f.key, counted(f, p.count()))
			case "nodes":
				x.list(f, len(p.rows), func(i int, fields []*graphQLField) bool { return row(fields, p.rows[i]) })
			case "edges":
				x.list(f, len(p.rows), func(i int, fields []*graphQLField) bool {
					for _, f := range fields {
						switch f.name {
						case "cursor":
							x.w.str(f.key, p.cursor(p.rows[i]))
						case "node":
							x.object(f, func(fields []*graphQLField) bool { return row(fields, p.rows[i]) })
						default:
							x.typename(f)
						}
					}
					return true
				})
			case "pageInfo":
				x.object(f, func(fields []*graphQLField) bool { return pageInfo(x, fields, p) })
			default:
				x.typename(f)
			}
		}
		return true
	})
}

// list writes an array of objects.
func (x *graphQLRun) list(f *graphQLField, n int, row func(i int, fields []*graphQLField) bool) {
	// What hangs on a job comes with it, and costs no row.
	free := f.on == "CiJobArtifactConnection" || f.on == "CiBuildNeedConnection"
	x.w.array(f.key)
	x.path = append(x.path, f.key)
	for i := 0; i < n && (free || x.spend()); i++ {
		x.w.sep()
		x.path = append(x.path, i)
		x.value(func() bool { return row(i, f.sub) })
		x.path = x.path[:len(x.path)-1]
	}
	x.path = x.path[:len(x.path)-1]
	x.w.close(']')
}

func pageInfo[T any](x *graphQLRun, fields []*graphQLField, p *listPage[T]) bool {
	for _, f := range fields {
		switch f.name {
		case "hasNextPage":
			x.w.bool(f.key, p.more)
		case "hasPreviousPage":
			// GitLab's keyset pages look forward only, unless asked backwards.
			x.w.bool(f.key, false)
		case "startCursor", "endCursor":
			if len(p.rows) == 0 {
				x.w.null(f.key)
				continue
			}
			at := 0
			if f.name == "endCursor" {
				at = len(p.rows) - 1
			}
			x.w.str(f.key, p.cursor(p.rows[at]))
		default:
			x.typename(f)
		}
	}
	return true
}

// graphQLCursor is a position in a list by descending id, as GitLab writes it.
func graphQLCursor(id int64) string {
	return base64.URLEncoding.EncodeToString([]byte(`{"id":"` + strconv.FormatInt(id, 10) + `"}`))
}

// position reads the cursor of a field: the id to go on below, 0 for the
// beginning. A cursor that GitLab did not write is an error of the field.
func (x *graphQLRun) position(f *graphQLField) (id int64, ok bool) {
	after, _ := f.args["after"].(string)
	if after == "" {
		return 0, true
	}
	var at struct {
		ID string `json:"id"`
	}
	b, err := base64.URLEncoding.DecodeString(after)
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err == nil {
		id, err = strconv.ParseInt(at.ID, 10, 64)
	}
	if err != nil {
		x.fail("Please provide a valid cursor", f.key)
		return 0, false
	}
	return id, true
}

// keyset cuts the page of a field out of a list of descending ids; nil when
// the cursor is none.
func keyset[T any](x *graphQLRun, f *graphQLField, list []T, id func(T) int64) *listPage[T] {
	after, ok := x.position(f)
	if !ok {
		return nil
	}
	from := 0
	if after != 0 {
		from, _ = slices.BinarySearchFunc(list, after-1, func(row T, want int64) int { return cmp.Compare(want, id(row)) })
	}
	page := pageRows(f)
	if f.on != "CiJob" { // of which nobody reads a second page
		page = min(page, x.call.server.largest)
	}
	to := min(from+page, len(list))
	return &listPage[T]{
		rows: list[from:to], more: to < len(list),
		cursor: func(row T) string { return graphQLCursor(id(row)) },
		count:  func() int { return len(list) },
	}
}

// positional cuts the page of a field out of a list without ids.
func positional[T any](x *graphQLRun, f *graphQLField, list []T) *listPage[int] {
	rows := make([]int, len(list))
	for i := range rows {
		rows[i] = len(list) - i // descending, from the end: keyset wants it so
	}
	return keyset(x, f, rows, func(i int) int64 { return int64(i) })
}
