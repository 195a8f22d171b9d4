package gitlab

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Who may send events. GitLab shows a hook's secret in one of two ways
// (gitlab-api §7): as it is, in X-Gitlab-Token, or, newer, by a signature over
// the body. weir's secrets have the form that serves for both.

const (
	hookSecretPrefix = "whsec_"
	hookSecretBytes  = 32
	// hookTolerance is how old, or how far ahead, a signed event may be: time for
	// a slow network and clocks that differ, none for a replay of old events.
	hookTolerance = 5 * time.Minute
)

// Why an event is refused. Whoever sent it is told neither.
var (
	ErrHookUnsigned = errors.New("the event shows no secret and no signature")
	ErrHookSecret   = errors.New("the event's secret or signature is wrong")
	ErrHookStale    = errors.New("the event's signature is older than five minutes, or from the future")
)

// NewHookSecret makes a secret: whsec_ and 32 random bytes in base64.
func NewHookSecret() Secret {
	b := make([]byte, hookSecretBytes)
	_, _ = rand.Read(b) // never fails
	return Secret(hookSecretPrefix + base64.StdEncoding.EncodeToString(b))
}

// MayBeHook says whether the headers show a secret or a signature at all, so
// that a body need not be read to refuse it.
func MayBeHook(h http.Header, secret Secret) bool {
	return h.Get("Webhook-Signature") != "" || sameToken(h.Get("X-Gitlab-Token"), secret)
}

// VerifyHook checks that an event comes from who has the secret: by
// X-Gitlab-Token, or by a signature made within five minutes of now. It takes
// the same time for every wrong secret. An empty secret lets nobody in.
func VerifyHook(h http.Header, body []byte, secret Secret, now time.Time) error {
	if sameToken(h.Get("X-Gitlab-Token"), secret) {
		return nil
	}
	signatures := h.Get("Webhook-Signature")
	if signatures == "" {
		if h.Get("X-Gitlab-Token") == "" {
			return ErrHookUnsigned
		}
		return ErrHookSecret
	}
	id, timestamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	want, ok := signHook(secret, id, timestamp, body)
	if !ok {
		return ErrHookSecret
	}
	genuine := false
	for signature := range strings.FieldsSeq(signatures) {
		text, isV1 := strings.CutPrefix(signature, "v1,")
		got, err := base64.StdEncoding.DecodeString(text)
		if isV1 && err == nil && hmac.Equal(got, want) {
			genuine = true
		}
	}
	if !genuine {
		return ErrHookSecret
	}
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(sent, 0)).Abs() > hookTolerance {
		return ErrHookStale
	}
	return nil
}

// SignHook gives the value of webhook-signature for an event with these
// webhook-id and webhook-timestamp; "" when the secret cannot sign.
func SignHook(secret Secret, id, timestamp string, body []byte) string {
	mac, ok := signHook(secret, id, timestamp, body)
	if !ok {
		return ""
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac)
}

func signHook(secret Secret, id, timestamp string, body []byte) ([]byte, bool) {
	text, ok := strings.CutPrefix(secret.Reveal(), hookSecretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) == 0 || id == "" {
		return nil, false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil), true
}

// sameToken compares digests, so that neither content nor length shows in the time.
func sameToken(shown string, secret Secret) bool {
	got, want := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(secret.Reveal()))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && secret != ""
}

// HookKey names an event, the same for each delivery of it: from
// Idempotency-Key, else webhook-id, else X-Gitlab-Event-UUID with the body,
// which alone would not do because one cause may send several events.
func HookKey(h http.Header, body []byte) string {
	digest := sha256.New()
	switch {
	case h.Get("Idempotency-Key") != "":
		digest.Write([]byte("id " + h.Get("Idempotency-Key"))) // webhook-id is the same value
	case h.Get("Webhook-Id") != "":
		digest.Write([]byte("id " + h.Get("Webhook-Id")))
	default:
		digest.Write([]byte("event " + h.Get("X-Gitlab-Event-UUID") + "\n"))
		digest.Write(body)
	}
	return hex.EncodeToString(digest.Sum(nil))
}
