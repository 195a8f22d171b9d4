package gitlab

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// NormalizeBaseURL brings what a person typed into the form
// scheme://host[:port][/relative root], with no slash at the end. It trims,
// adds https:// where there is no scheme, and cuts a trailing /api/v4. An
// empty text, a scheme other than http and https, a user name, a query and a
// fragment are errors that say what to write instead.
func NormalizeBaseURL(raw string) (string, error) {
	text := strings.TrimSpace(raw)
	if text == "" {
		return "", errors.New("the GitLab URL is empty: give one such as https://gitlab.com")
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// The message of net/url repeats the text, which may hold a password.
		return "", errors.New("the GitLab URL cannot be read: give one such as https://gitlab.example.com")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("the GitLab URL starts with %s://: only https:// and http:// can be asked", u.Scheme)
	case u.Hostname() == "":
		return "", errors.New("the GitLab URL names no host: give one such as https://gitlab.example.com")
	case u.User != nil:
		return "", errors.New("the GitLab URL holds a user name: leave it out, the token is given apart")
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("the GitLab URL holds a query (?…): leave it out")
	case u.Fragment != "":
		return "", errors.New("the GitLab URL holds a fragment (#…): leave it out")
	}
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, ":")
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	root := path.Clean("/" + u.EscapedPath())
	root = strings.TrimSuffix(root, "/api/v4")
	root = strings.TrimSuffix(root, "/")
	return u.Scheme + "://" + host + root, nil
}
