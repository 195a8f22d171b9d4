package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
)

// Connections are verified before anything is stored, by the same steps
// whether they are new, get a further token, or are checked again.

// Connect verifies a token and stores a connection with it.
func (e *engine) Connect(ctx context.Context, r api.ConnectRequest) (api.Verification, error) {
	var told api.Verification
	c, err := e.wanted(r)
	if err != nil {
		return told, err
	}
	found, err := e.verify(ctx, c, r.Token.Secret, &told)
	if err != nil {
		return told, err
	}
	instance, err := e.store.EnsureInstance(ctx, c.BaseURL, e.now())
	if err != nil {
		return told, err
	}
	c.InstanceID, c.Warnings = instance.ID, warnings(found)
	stored, err := e.control.AddConnection(ctx, c, credential(r.Token.Secret, r.Label, found))
	if err != nil {
		return told, err
	}
	e.connectionsChanged()
	e.log.Info("connection added", "connection", stored.ID, "kind", stored.Kind, "base_url", stored.BaseURL)
	told.Connection, told.Credential = stored.ID, stored.Credentials[0].ID
	return told, nil
}

// wanted checks what a person typed, before GitLab is asked.
func (e *engine) wanted(r api.ConnectRequest) (control.Connection, error) {
	c := control.Connection{
		Kind: r.Kind, Name: r.Name, Since: cmp.Or(r.Since, control.DefaultSince), MaxRequestsPerMinute: r.MaxRequestsPerMinute,
	}
	if _, err := control.ParseSince(c.Since, e.now()); err != nil {
		return c, err
	}
	var err error
	if c.BaseURL, err = gitlab.NormalizeBaseURL(r.BaseURL); err != nil {
		return c, &ci.Problem{
			Code:   ci.BadRequest,
			Cause:  "This is no GitLab URL: " + err.Error() + ".",
			Remedy: "Give the address of GitLab's start page, such as https://gitlab.com.",
			Err:    err,
		}
	}
	for _, group := range r.Groups {
		group = strings.Trim(strings.TrimSpace(group), "/")
		if group == "" {
			return c, &ci.Problem{
				Code:   ci.BadRequest,
				Cause:  "A group has no name.",
				Remedy: "Give its full path, such as acme/platform; leave groups out to import all that the token is a member of.",
			}
		}
		c.Groups = append(c.Groups, group)
	}
	if r.CAFile != "" {
		if c.CAFile, err = filepath.Abs(r.CAFile); err == nil {
			_, err = os.Stat(c.CAFile)
		}
		if err != nil {
			return c, &ci.Problem{
				Code:   ci.BadRequest,
				Cause:  fmt.Sprintf("The CA file %s cannot be read.", r.CAFile),
				Remedy: "Give a PEM file on the machine that runs weir.",
				Err:    err,
			}
		}
	}
	if c.Name == "" {
		c.Name = c.BaseURL
		if u, err := url.Parse(c.BaseURL); err == nil {
			c.Name = u.Host
		}
	}
	return c, nil
}

// AddCredential verifies a further token and stores it with its connection.
func (e *engine) AddCredential(ctx context.Context, id ci.ConnectionID, r api.CredentialRequest) (api.Verification, error) {
	told := api.Verification{Connection: id}
	c, err := e.control.Connection(ctx, id)
	if err != nil {
		return told, err
	}
	found, err := e.verify(ctx, c, r.Token.Secret, &told)
	if err != nil {
		return told, err
	}
	told.Credential, err = e.control.AddCredential(ctx, id, credential(r.Token.Secret, r.Label, found))
	if err == nil {
		e.connectionsChanged()
		e.log.Info("credential added", "connection", id, "credential", told.Credential)
	}
	return told, err
}

// Check verifies the stored tokens of a connection again, one after the other
// until one fails, and stores the outcome.
func (e *engine) Check(ctx context.Context, id ci.ConnectionID) (api.Verification, error) {
	told := api.Verification{Connection: id}
	c, err := e.control.Connection(ctx, id)
	if err != nil {
		return told, err
	}
	tokens, err := e.control.OpenCredentials(ctx, id)
	if err != nil {
		return told, err
	}
	var outcome control.Check
	told.Credential = tokens[0].ID
	for _, t := range tokens {
		var found importer.Verification
		told.Steps = nil // those of the last one that was looked at
		if found, outcome.Err = e.verify(ctx, c, t.Token, &told); outcome.Err != nil {
			told.Credential = t.ID
			if len(tokens) > 1 {
				outcome.Err = naming(t.Credential, outcome.Err)
			}
			break
		}
		outcome.Warnings = append(outcome.Warnings, warnings(found)...)
		if err := e.control.CredentialFacts(ctx, t.ID, found.User.Username, found.Scopes, found.ExpiresAt); err != nil {
			return told, err
		}
	}
	if ctx.Err() != nil {
		return told, context.Cause(ctx) // it says nothing about the connection
	}
	defer e.connectionsChanged()
	return told, errors.Join(outcome.Err, e.control.Checked(ctx, id, outcome), e.importer.Checked(ctx, id))
}

// naming says which of several credentials a problem is about.
func naming(c control.Credential, err error) error {
	var p *ci.Problem
	if !errors.As(err, &p) {
		return err
	}
	named := *p
	named.Cause = fmt.Sprintf("Credential %d (%s): %s", c.ID, cmp.Or(c.Label, c.Username), p.Cause)
	return &named
}

// verify asks GitLab with one token and notes how far it came.
func (e *engine) verify(ctx context.Context, c control.Connection, token control.Secret, told *api.Verification) (importer.Verification, error) {
	fingerprint, err := e.control.Fingerprint(token)
	if err != nil {
		return importer.Verification{}, err
	}
	gitLab, err := e.open(c, []control.Opened{{Token: token, Fingerprint: fingerprint}}, nil)
	if err != nil {
		return importer.Verification{}, err
	}
	defer gitLab.release()
	found, err := importer.Verify(ctx, gitLab.client, importer.VerifyOptions{Kind: c.Kind, Groups: c.Groups, Now: e.now}, nil)
	told.Version = found.Version
	for _, s := range found.Steps {
		told.Steps = append(told.Steps, api.Step{
			Name: s.Name, OK: s.OK, Detail: s.Detail, TookSeconds: s.Took.Seconds(), Request: s.Request,
		})
	}
	return found, err
}

func credential(token control.Secret, label string, found importer.Verification) control.NewCredential {
	return control.NewCredential{
		Token: token, Label: label, Username: found.User.Username, Scopes: found.Scopes, ExpiresAt: found.ExpiresAt,
	}
}

func warnings(found importer.Verification) []control.Warning {
	list := []control.Warning{} // not nil: none
	for _, w := range found.Warnings {
		list = append(list, control.Warning{Code: w.Code, Cause: w.Cause, Remedy: w.Remedy})
	}
	return list
}
