package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/weirhq/weir/internal/ci"
)

// CatalogRefused is the error of a catalog that is wrong: the problem, and
// every finding.
type CatalogRefused struct {
	*ci.Problem
	Findings []Finding
}

// Unwrap gives the problem.
func (r *CatalogRefused) Unwrap() error { return r.Problem }

// ApplyCatalog puts files in force and maps all history by them. Nothing
// changes when something is wrong: *CatalogRefused.
func (c *Client) ApplyCatalog(ctx context.Context, files []CatalogFile) (CatalogChange, error) {
	return call[CatalogChange](ctx, c, http.MethodPut, "/catalog", CatalogRequest{files})
}

// PreviewCatalog answers what ApplyCatalog would, and changes nothing.
func (c *Client) PreviewCatalog(ctx context.Context, files []CatalogFile) (CatalogChange, error) {
	return call[CatalogChange](ctx, c, http.MethodPost, "/catalog/preview", CatalogRequest{files})
}

// Services lists the catalog's services by identifier; none is an empty list.
func (c *Client) Services(ctx context.Context) ([]CatalogService, error) {
	list, err := call[CatalogServices](ctx, c, http.MethodGet, "/catalog/services", nil)
	return list.Services, err
}

// Service gives one service with its rules; not_found if there is none.
func (c *Client) Service(ctx context.Context, identifier string) (CatalogServiceDetail, error) {
	return call[CatalogServiceDetail](ctx, c, http.MethodGet, "/catalog/services/"+url.PathEscape(identifier), nil)
}

// Rules lists service rules, then deploy rules, in the order in which they are tried.
func (c *Client) Rules(ctx context.Context) ([]CatalogRule, error) {
	list, err := call[CatalogRules](ctx, c, http.MethodGet, "/catalog/rules", nil)
	return list.Rules, err
}

// Coverage says what maps to nothing.
func (c *Client) Coverage(ctx context.Context) (Coverage, error) {
	return call[Coverage](ctx, c, http.MethodGet, "/catalog/coverage", nil)
}

// ProposeServices gives a services.yaml to begin with.
func (c *Client) ProposeServices(ctx context.Context) (string, error) {
	p, err := call[CatalogProposal](ctx, c, http.MethodGet, "/catalog/proposal", nil)
	return p.YAML, err
}

// Explain says why a pipeline belongs where it does. instance 0 is the only one
// that has a pipeline of that id; bad_request where several have.
func (c *Client) Explain(ctx context.Context, instance ci.InstanceID, id ci.PipelineID) (Explanation, error) {
	path := "/catalog/explanation?pipeline=" + strconv.FormatInt(int64(id), 10)
	if instance != 0 {
		path += "&instance=" + strconv.FormatInt(int64(instance), 10)
	}
	return call[Explanation](ctx, c, http.MethodGet, path, nil)
}
