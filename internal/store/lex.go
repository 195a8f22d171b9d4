package store

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A small lexer for what both engines' SQL has in common: enough to know what
// is text, name or comment, and what is not. It never fails; what does not end
// runs to the end, and the engine will say so.

type tokenKind int

const (
	tokenOther    tokenKind = iota // an operator or bracket, one character (or ::, :=)
	tokenSpace                     // spaces and comments
	tokenWord                      // an unquoted name, keyword or number
	tokenName                      // "a quoted name"
	tokenText                      // 'text', E'text', $$text$$
	tokenEscaped                   // U&"name" or U&'text', whose characters may be hidden
	tokenVariable                  // :name
	tokenDollar                    // $1 or $name
)

type token struct {
	kind tokenKind
	text string // as written
	name string // of a word (lower case), a quoted name (without quotes) or a variable (without colon)
}

// lex splits a statement; the tokens' texts together are the statement.
func lex(sql string) []token {
	var list []token
	for len(sql) > 0 {
		t := nextToken(sql, list)
		list = append(list, t)
		sql = sql[len(t.text):]
	}
	return list
}

func nextToken(sql string, before []token) token {
	r, size := utf8.DecodeRuneInString(sql)
	switch {
	case unicode.IsSpace(r):
		return token{kind: tokenSpace, text: sql[:size]}
	case strings.HasPrefix(sql, "--"):
		if end := strings.IndexAny(sql, "\n\r"); end >= 0 {
			return token{kind: tokenSpace, text: sql[:end]}
		}
		return token{kind: tokenSpace, text: sql}
	case strings.HasPrefix(sql, "/*"):
		return token{kind: tokenSpace, text: sql[:endOfComment(sql)]}
	case hasFold(sql, `u&"`), hasFold(sql, "u&'"):
		return token{kind: tokenEscaped, text: sql[:2+endOfQuoted(sql[2:], false)]}
	case hasFold(sql, "e'"):
		return token{kind: tokenText, text: sql[:1+endOfQuoted(sql[1:], true)]}
	case r == '\'':
		return token{kind: tokenText, text: sql[:endOfQuoted(sql, false)]}
	case r == '"':
		text := sql[:endOfQuoted(sql, false)]
		name := strings.TrimSuffix(text[1:], `"`)
		return token{kind: tokenName, text: text, name: strings.ReplaceAll(name, `""`, `"`)}
	case r == '$':
		return lexDollar(sql)
	case strings.HasPrefix(sql, "::"), strings.HasPrefix(sql, ":="):
		return token{kind: tokenOther, text: sql[:2]}
	case r == ':':
		if n := wordLength(sql[1:]); n > 0 && !isDigit(sql[1]) && mayTakeVariable(before) {
			return token{kind: tokenVariable, text: sql[:1+n], name: sql[1 : 1+n]}
		}
		return token{kind: tokenOther, text: ":"}
	case wordLength(sql) > 0:
		text := sql[:wordLength(sql)]
		return token{kind: tokenWord, text: text, name: strings.ToLower(text)}
	}
	return token{kind: tokenOther, text: sql[:size]}
}

// mayTakeVariable tells :name from DuckDB's slices (a[b:c]) and structs
// ({'k':v}): a variable does not follow directly on something that ends a value.
func mayTakeVariable(before []token) bool {
	if len(before) == 0 {
		return true
	}
	last := before[len(before)-1]
	switch last.kind {
	case tokenWord, tokenName, tokenText, tokenEscaped, tokenVariable, tokenDollar:
		return false
	case tokenOther:
		return last.text != ")" && last.text != "]" && last.text != "}" && last.text != ":"
	}
	return true
}

// lexDollar reads $tag$text$tag$, else a parameter ($1, $name), else a dollar.
func lexDollar(sql string) token {
	n := wordLength(sql[1:])
	// A tag holds no dollar and does not begin with a digit.
	if i := strings.IndexByte(sql[1:], '$'); i >= 0 && (i == 0 || (i <= n && !isDigit(sql[1]))) {
		tag := sql[:i+2]
		if end := strings.Index(sql[len(tag):], tag); end >= 0 {
			return token{kind: tokenText, text: sql[:len(tag)+end+len(tag)]}
		}
		return token{kind: tokenText, text: sql}
	}
	if n > 0 {
		return token{kind: tokenDollar, text: sql[:1+n], name: sql[1 : 1+n]}
	}
	return token{kind: tokenOther, text: "$"}
}

// wordLength gives the bytes of the letters, digits and underscores (and, after
// the first, dollars) that a string begins with.
func wordLength(s string) int {
	for i, r := range s {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || r >= 0x80 && !unicode.IsSpace(r) || r == '$' && i > 0 {
			continue
		}
		return i
	}
	return len(s)
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// endOfQuoted gives the length of a quoted string; a doubled quote goes on, and
// with escapes a backslash hides the character after it.
func endOfQuoted(s string, escapes bool) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == quote:
			if i+1 < len(s) && s[i+1] == quote {
				i++
				continue
			}
			return i + 1
		}
	}
	return len(s)
}

// endOfComment gives the length of a block comment; they nest.
func endOfComment(s string) int {
	depth := 0
	for i := 0; i < len(s)-1; i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// solid gives the tokens without spaces and comments.
func solid(list []token) []token {
	var out []token
	for _, t := range list {
		if t.kind != tokenSpace {
			out = append(out, t)
		}
	}
	return out
}

// splitStatements cuts a script at its semicolons; empty statements are left out.
func splitStatements(script string) []string {
	var out []string
	var b strings.Builder
	content := false
	flush := func() {
		if content {
			out = append(out, strings.TrimSpace(b.String()))
		}
		b.Reset()
		content = false
	}
	for _, t := range lex(script) {
		if t.kind == tokenOther && t.text == ";" {
			flush()
			continue
		}
		content = content || t.kind != tokenSpace
		b.WriteString(t.text)
	}
	flush()
	return out
}
