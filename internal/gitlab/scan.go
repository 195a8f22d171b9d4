package gitlab

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// scanner reads JSON in one pass, value by value, as its caller asks for them.
//
// It is here for one number: an import decodes hundreds of megabytes of jobs,
// of which weir keeps a fifth, and encoding/json reads a Field three times over
// (to check it, to find its end, to decode it). The scanner takes and refuses
// the same texts as encoding/json; a fuzz test holds them together.
type scanner struct {
	b     []byte
	at    int
	depth int
	words map[string]string // see word
	jobs  []RunJob          // of one pipeline, while they are read: how many come is not known
}

// scanError is JSON that cannot be read as what it should be.
type scanError struct {
	offset    int
	key       string // the innermost key it stands under; "" at the top
	message   string
	truncated bool // the text ends before the value does
}

func (e *scanError) Error() string {
	under := ""
	if e.key != "" {
		under = " under " + strconv.Quote(e.key)
	}
	return fmt.Sprintf("at byte %d%s: %s", e.offset, under, e.message)
}

const deepest = 10000 // nested values, as in encoding/json

func newScanner(b []byte) *scanner { return &scanner{b: b, words: map[string]string{}} }

func (s *scanner) fail(message string) error {
	if s.at >= len(s.b) {
		return &scanError{offset: len(s.b), message: "the JSON stops in the middle", truncated: true}
	}
	return &scanError{offset: s.at, message: message}
}

// peek gives the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.b) {
		switch c := s.b[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.peek(); s.at < len(s.b) {
		return s.fail("more than one value")
	}
	return nil
}

// object calls field for each key, which must read or skip the value. The key
// is good until field returns.
func (s *scanner) object(field func(key []byte) error) error {
	if s.peek() != '{' {
		return s.fail("an object must be here")
	}
	if s.depth++; s.depth > deepest {
		return s.fail("nested too deeply")
	}
	s.at++
	if s.peek() == '}' {
		s.at++
		s.depth--
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fail("a key must be here")
		}
		key, err := s.literal()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.fail("a colon must be here")
		}
		s.at++
		s.peek()
		if err := field(key); err != nil {
			if e, ok := err.(*scanError); ok && e.key == "" {
				e.key = string(key)
			}
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			s.depth--
			return nil
		default:
			return s.fail("a comma or the end of the object must be here")
		}
	}
}

// array calls each for every element, which must read or skip it.
func (s *scanner) array(each func() error) error {
	if s.peek() != '[' {
		return s.fail("a list must be here")
	}
	if s.depth++; s.depth > deepest {
		return s.fail("nested too deeply")
	}
	s.at++
	if s.peek() == ']' {
		s.at++
		s.depth--
		return nil
	}
	for {
		s.peek()
		if err := each(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			s.depth--
			return nil
		default:
			return s.fail("a comma or the end of the list must be here")
		}
	}
}

// skip passes over any value, checking that it is one.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, _, err := s.quoted()
		return err
	case 't':
		return s.keyword("true")
	case 'f':
		return s.keyword("false")
	case 'n':
		return s.keyword("null")
	default:
		_, err := s.number()
		return err
	}
}

func (s *scanner) keyword(word string) error {
	for i := range len(word) {
		if s.at >= len(s.b) || s.b[s.at] != word[i] {
			return s.fail("no value starts like this")
		}
		s.at++
	}
	return nil
}

// null reads a null, if there is one.
func (s *scanner) null() (bool, error) {
	if s.peek() != 'n' {
		return false, nil
	}
	return true, s.keyword("null")
}

// plain marks the bytes that stand for themselves inside a JSON string.
var plain = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf
	}
	return table
}()

// quoted finds a string's raw contents; simple says that they are the string
// itself, without escapes and beyond-ASCII bytes.
func (s *scanner) quoted() (raw []byte, simple bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.fail("a string must be here")
	}
	s.at++
	start := s.at
	simple = true
	for s.at < len(s.b) {
		c := s.b[s.at]
		switch {
		case plain[c]:
			s.at++
		case c == '"':
			s.at++
			return s.b[start : s.at-1], simple, nil
		case c == '\\':
			simple = false
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < 0x20:
			return nil, false, s.fail("a control character inside a string")
		default:
			simple = false
			s.at++
		}
	}
	return nil, false, s.fail("")
}

// escape passes over a backslash and what belongs to it.
func (s *scanner) escape() error {
	s.at++
	if s.at >= len(s.b) {
		return s.fail("")
	}
	switch s.b[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		s.at++
		for range 4 {
			if s.at >= len(s.b) {
				return s.fail("")
			}
			switch c := s.b[s.at]; {
			case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
				s.at++
			default:
				return s.fail("no hexadecimal digit")
			}
		}
		return nil
	}
	return s.fail("no escape that JSON knows")
}

// literal reads a string as bytes that are good until the next page.
func (s *scanner) literal() ([]byte, error) {
	start := s.at
	raw, simple, err := s.quoted()
	if err != nil || simple || utf8.Valid(raw) && !hasBackslash(raw) {
		return raw, err
	}
	// Escapes and broken UTF-8 are rare: encoding/json knows their rules.
	var text string
	if err := json.Unmarshal(s.b[start:s.at], &text); err != nil {
		return nil, err
	}
	return []byte(text), nil
}

func hasBackslash(b []byte) bool {
	for _, c := range b {
		if c == '\\' {
			return true
		}
	}
	return false
}

// text reads a string.
func (s *scanner) text() (string, error) {
	s.peek()
	b, err := s.literal()
	return string(b), err
}

// word reads a string that is likely to come again on the same page, such as a
// status or a ref, and keeps one copy of each.
func (s *scanner) word() (string, error) {
	s.peek()
	b, err := s.literal()
	if err != nil {
		return "", err
	}
	if w, ok := s.words[string(b)]; ok {
		return w, nil
	}
	w := string(b)
	s.words[w] = w
	return w, nil
}

// number finds a number's text.
func (s *scanner) number() ([]byte, error) {
	s.peek()
	start := s.at
	if s.at < len(s.b) && s.b[s.at] == '-' {
		s.at++
	}
	switch {
	case s.at < len(s.b) && s.b[s.at] == '0':
		s.at++
	case !s.digits():
		return nil, s.fail("no value starts like this")
	}
	if s.at < len(s.b) && s.b[s.at] == '.' {
		s.at++
		if !s.digits() {
			return nil, s.fail("a digit must be here")
		}
	}
	if s.at < len(s.b) && (s.b[s.at] == 'e' || s.b[s.at] == 'E') {
		s.at++
		if s.at < len(s.b) && (s.b[s.at] == '+' || s.b[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return nil, s.fail("a digit must be here")
		}
	}
	return s.b[start:s.at], nil
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.b) && '0' <= s.b[s.at] && s.b[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// integer reads a whole number of 64 bits.
func (s *scanner) integer() (int64, error) {
	raw, err := s.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		s.at -= len(raw)
		return 0, s.fail("a whole number of 64 bits must be here")
	}
	return n, nil
}

// float reads a number.
func (s *scanner) float() (float64, error) {
	raw, err := s.number()
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		s.at -= len(raw)
		return 0, s.fail("the number is too large")
	}
	return f, nil
}

// boolean reads true or false.
func (s *scanner) boolean() (bool, error) {
	switch s.peek() {
	case 't':
		return true, s.keyword("true")
	case 'f':
		return false, s.keyword("false")
	}
	return false, s.fail("true or false must be here")
}

// time reads an instant, as ParseTime does.
func (s *scanner) time() (Time, error) {
	s.peek()
	start := s.at
	b, err := s.literal()
	if err != nil {
		return Time{}, err
	}
	if t, ok := restTime(b); ok {
		return t, nil
	}
	t, err := ParseTime(string(b))
	if err != nil {
		s.at = start
		return Time{}, s.fail(err.Error())
	}
	return t, nil
}

// restTime reads the form in which REST writes nearly every instant,
// 2023-10-28T19:17:06.000Z; any other is left to ParseTime.
func restTime(b []byte) (Time, bool) {
	const form = "0000-00-00T00:00:00.000Z"
	if len(b) != len(form) {
		return Time{}, false
	}
	var n [7]int // year, month, day, hour, minute, second, millisecond
	part := 0
	for i, c := range b {
		switch {
		case form[i] != '0' && c == form[i]:
			part++
		case form[i] == '0' && '0' <= c && c <= '9':
			n[part] = n[part]*10 + int(c-'0')
		default:
			return Time{}, false
		}
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*int(time.Millisecond), time.UTC)
	// time.Date carries 30 February over to March; what it changed was no date.
	if n[3] > 23 || n[4] > 59 || n[5] > 59 || t.Month() != time.Month(n[1]) {
		return Time{}, false
	}
	return Time{t}, true
}

// coverage reads 68.49 or "68.49".
func (s *scanner) coverage() (Coverage, error) {
	start := s.at
	if err := s.skip(); err != nil {
		return 0, err
	}
	var c Coverage
	if err := c.UnmarshalJSON(s.b[start:s.at]); err != nil {
		s.at = start
		return 0, s.fail(err.Error())
	}
	return c, nil
}

// into reads a value that GitLab always sends; null leaves the zero value, for
// check to find.
func into[T any](s *scanner, v *T, read func() (T, error)) error {
	if isNull, err := s.null(); isNull || err != nil {
		return err
	}
	value, err := read()
	if err == nil {
		*v = value
	}
	return err
}

// intoField reads a value that may be null.
func intoField[T any](s *scanner, f *Field[T], read func() (T, error)) error {
	isNull, err := s.null()
	if err != nil {
		return err
	}
	if isNull {
		*f = Null[T]()
		return nil
	}
	value, err := read()
	if err == nil {
		*f = Of(value)
	}
	return err
}

// list makes a reader of a list from a reader of its elements; a null element
// is a zero value, as in encoding/json.
func list[T any](s *scanner, read func() (T, error)) func() ([]T, error) {
	return func() ([]T, error) {
		all := []T{}
		err := s.array(func() error {
			var one T
			err := into(s, &one, read)
			all = append(all, one)
			return err
		})
		return all, err
	}
}
