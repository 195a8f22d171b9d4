package gitlabtest

import "net/http"

// The endpoints about the server and the token itself, and what answers
// outside of the API.

func versionInfo(c *call) *answer {
	return ok(func(w *jsonWriter) {
		w.open('{')
		w.str("version", c.server.version)
		w.str("revision", c.server.revision)
		w.close('}')
	})
}

func metadata(c *call) *answer {
	return ok(func(w *jsonWriter) {
		w.open('{')
		w.str("version", c.server.version)
		w.str("revision", c.server.revision)
		w.object("kas")
		w.bool("enabled", false)
		w.null("externalUrl")
		if c.render().version.atLeast(17, 6) {
			w.null("externalK8sProxyUrl")
		}
		w.null("version")
		w.close('}')
		w.bool("enterprise", true)
		w.close('}')
	})
}

func currentUser(c *call) *answer {
	return ok(func(w *jsonWriter) { c.render().currentUser(w, c.token.User) })
}

func tokenSelf(c *call) *answer {
	return ok(func(w *jsonWriter) { c.render().token(w, c.token, c.now) })
}

// unknownRoute is Grape's answer below /api/v4.
func unknownRoute(*call) *answer {
	return refuse(http.StatusNotFound, "error", "404 Not Found")
}

func methodNotAllowed(*call) *answer {
	a := refuse(http.StatusMethodNotAllowed, "error", "405 Not Allowed")
	a.header = map[string]string{"Allow": "OPTIONS, GET, HEAD"}
	return a
}

// signIn is what GitLab's pages answer to somebody who is not signed in: a
// redirect to the sign-in page, which is HTML with status 200. A token does not
// help there.
func signIn(c *call) *answer {
	target := c.server.root + "/users/sign_in"
	if c.r.URL.Path == target {
		return page(http.StatusOK, "Sign in · GitLab", "Username or primary email")
	}
	a := page(http.StatusFound, "Redirecting", `You are being redirected.`)
	a.header = map[string]string{"Location": c.server.base(c.r) + "/users/sign_in"}
	return a
}

// notGitLab is the other web server beside a GitLab with a relative root.
func notGitLab(*call) *answer {
	return page(http.StatusNotFound, "404 Not Found", "nginx")
}
