package gitlab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
)

// judge sorts an answer by its status and content; nil means that it is JSON
// and was granted. body is read for GitLab's message only.
func (e *Error) judge(resp *http.Response, l *limits, body []byte) error {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	status := resp.StatusCode
	if isJSON && status >= 400 {
		e.Message = messageOf(body)
	}
	e.RetryAfter = max(l.retryAfter, 0)
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind = RateLimited
		if e.RetryAfter == 0 {
			e.RetryAfter = l.reset
		}
		if e.Message == "" {
			e.Message = "too many requests"
		}
	case status >= 500:
		e.Kind = Server
		if e.Message == "" {
			e.Message = http.StatusText(status)
		}
	case status == http.StatusProxyAuthRequired:
		e.Kind, e.Message = Unreachable, "the proxy wants a user name and a password"
	case status == http.StatusNoContent:
		return nil // what was asked for is done, and there is nothing to say
	case !isJSON && status < 500:
		e.Kind = NotGitLab
		e.Message = fmt.Sprintf("the answer is %s, not JSON", describeMedia(media))
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusUnauthorized:
		e.Kind = Unauthorized
	case status == http.StatusForbidden && strings.HasPrefix(e.Message, "insufficient_scope"):
		e.Kind = InsufficientScope
	case status == http.StatusForbidden:
		e.Kind = Forbidden
	case status == http.StatusNotFound:
		e.Kind = NotFound
	case status == http.StatusGone:
		e.Kind = Gone
	case status == http.StatusMethodNotAllowed:
		e.Kind = MethodNotAllowed
	case status == http.StatusRequestTimeout:
		e.Kind = Server
	default:
		e.Kind = BadRequest
	}
	if e.Message == "" {
		e.Message = http.StatusText(status)
	}
	return e
}

func describeMedia(media string) string {
	switch media {
	case "":
		return "of no declared type"
	case "text/html":
		return "an HTML page"
	}
	return media
}

const longestMessage = 500 // runes of GitLab's message that an Error keeps

// messageOf gives GitLab's words out of an error's body, "" when there are
// none. They come as {"message": "…"}, {"message": {"error": "…"}},
// {"error": "…", "error_description": "…"} and {"errors": [{"message": "…"}]}.
func messageOf(body []byte) string {
	var said struct {
		Message     json.RawMessage `json:"message"`
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
		Errors      []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	var parts []string
	for _, raw := range []json.RawMessage{said.Error, said.Message} {
		if text := flatten(raw); text != "" {
			parts = append(parts, text)
		}
	}
	if said.Description != "" {
		parts = append(parts, said.Description)
	}
	for _, e := range said.Errors {
		parts = append(parts, e.Message)
	}
	text := []rune(strings.Join(parts, ": "))
	if len(text) > longestMessage {
		return string(text[:longestMessage]) + "…"
	}
	return string(text)
}

// flatten gives a JSON string as text, {"error": "…"} likewise, and any other
// value as it is written.
func flatten(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var nested struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(raw, &nested) == nil && nested.Error != "" {
		return nested.Error
	}
	return string(raw)
}

// classify sorts an error of the transport.
func (e *Error) classify(err error, timeout time.Duration) {
	e.Err = err
	var big *tooLarge
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var op *net.OpError
	switch {
	case errors.As(err, &big):
		e.Kind = TooLarge
	case errors.As(err, &verification), errors.As(err, &record), errors.As(err, &unknown),
		errors.As(err, &host), errors.As(err, &invalid), errors.Is(err, http.ErrSchemeMismatch),
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"): // crypto/tls marks alerts so
		e.Kind = TLS
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Message = Unreachable, fmt.Sprintf("no whole answer within %s", timeout)
	case e.Status != 0:
		e.Kind, e.Message, e.Err = BadAnswer, "the answer stops in the middle: "+err.Error(), fmt.Errorf("%w: %w", errTruncated, err)
	default:
		e.Kind = Unreachable
	}
}

// errTruncated is a body that breaks off, or ends before its JSON does.
var errTruncated = errors.New("the answer stops in the middle")

// unreadable describes an error of decode.
func (e *Error) unreadable(err error, length int) {
	e.Kind, e.Err = BadAnswer, err
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	var scan *scanError
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		e.Kind, e.Message, e.Err = refused.kind, refused.message, nil
	case errors.As(err, &scan) && scan.truncated:
		e.Err = errTruncated
		e.Message = fmt.Sprintf("the JSON stops in the middle, after %d bytes", length)
	case errors.As(err, &scan):
		e.Message = "unexpected JSON " + err.Error()
	case errors.As(err, &syntax) && int(syntax.Offset) >= length:
		e.Err = errTruncated
		e.Message = fmt.Sprintf("the JSON stops in the middle, after %d bytes", length)
	case errors.As(err, &syntax):
		e.Message = fmt.Sprintf("not JSON at byte %d: %v", syntax.Offset, err)
	case errors.As(err, &mismatch):
		e.Message = fmt.Sprintf("unexpected JSON at byte %d: %v", mismatch.Offset, err)
	default:
		e.Message = err.Error()
	}
}

// transient says whether the same request may well succeed when it is repeated.
func (e *Error) transient() bool {
	var dns *net.DNSError
	if _, waited := errors.AsType[*outage](e.Err); waited {
		return false
	}
	switch e.Kind {
	case RateLimited:
		_, hasty := errors.AsType[*impatient](e.Err)
		return !hasty
	case Server:
		return e.Status != http.StatusNotImplemented
	case Unreachable:
		// A name that does not exist will not within seconds; a resolver that
		// does not answer may.
		return e.Status != http.StatusProxyAuthRequired && !(errors.As(e.Err, &dns) && dns.IsNotFound)
	case BadAnswer:
		// A connection that broke in the middle of a body, or a proxy that cut it.
		return errors.Is(e.Err, errTruncated)
	}
	return false
}
