package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/metric"
	"github.com/weirhq/weir/internal/store"
)

// Config is what the API stands on.
type Config struct {
	Log     *slog.Logger
	Store   *store.Store
	Control *control.Control
	Engine  Engine
	Metrics *metric.Engine
	Version Version // Engine, EngineVersion and SchemaVersion are asked of Store
	PID     int     // of this process, for Health
	// Refusals is what the program refused of its configuration; nil: an empty memory.
	Refusals *Refusals
	TempDir  string // where an export may write before it is sent; "": the system's
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Engine is what the API asks of the program around it: all that talks to
// GitLab. Errors are *ci.Problem. A Verification is filled as far as it came,
// also beside an error.
type Engine interface {
	// Connect verifies a credential, then stores a connection with it.
	Connect(context.Context, ConnectRequest) (Verification, error)
	// AddCredential verifies a credential, then stores it with its connection.
	AddCredential(context.Context, ci.ConnectionID, CredentialRequest) (Verification, error)
	// Check verifies the stored credentials again and stores the outcome.
	Check(context.Context, ci.ConnectionID) (Verification, error)
	// Disconnect stops the import of a connection and removes it.
	Disconnect(context.Context, ci.ConnectionID) error
	// SetDisabled takes a connection out of all imports, stopping the one that
	// runs, or back into them.
	SetDisabled(ctx context.Context, id ci.ConnectionID, disabled bool) error
	// StartSyncs starts imports and returns when their ids are known.
	StartSyncs(context.Context, SyncRequest) ([]StartedSync, error)
	// EstimateSyncs says what StartSyncs would cost with the same request.
	EstimateSyncs(context.Context, SyncRequest) ([]Estimate, error)
	// CancelSync asks an import to stop; one that does not run here is left alone.
	CancelSync(ci.SyncID)
	// Running gives the imports that run now.
	Running() map[ci.ConnectionID]ci.SyncID
	// Standing says how this process stands with the GitLab at a base URL and
	// the credentials of a connection; nil when there is nothing to tell.
	Standing(baseURL string, credentials []int64) *Standing
	// Events gives the log of an import that runs or ran not long ago, else nil.
	Events(ci.SyncID) *EventLog
	// Checks looks at what only the program knows: its directory, its address.
	Checks(context.Context) []Check
	HookEngine
	PollEngine
}

// Verification is how far the verification of a credential came.
type Verification struct {
	Connection ci.ConnectionID
	Credential int64
	Version    string // GitLab's
	Steps      []Step
}

// API is the HTTP side. It has no state of its own.
type API struct {
	Config
	mux  *http.ServeMux
	huma huma.API
}

// New makes the API. Its handler wants authentication around it: it trusts
// whoever reaches it.
func New(cfg Config) *API {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Refusals == nil {
		cfg.Refusals = NewRefusals(cfg.Log)
	}
	a := &API{Config: cfg, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, description())
	a.registerSystem()
	a.registerConnections()
	a.registerSyncs()
	a.registerEstimate()
	a.registerRounds()
	a.registerStatus()
	a.registerQuery()
	a.registerReports()
	a.registerRun()
	a.registerSchema()
	a.registerExport()
	a.registerDoctor()
	a.registerHooks()
	a.registerCatalog()
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		WriteProblem(w, &ci.Problem{
			Code:   ci.NotFound,
			Cause:  fmt.Sprintf("There is no %s %s.", r.Method, r.URL.Path),
			Remedy: "See what there is at " + Prefix + "/openapi.yaml.",
		})
	})
	return a
}

// Handler serves everything under Prefix.
func (a *API) Handler() http.Handler { return a.mux }

// OpenAPI gives the API's description as OpenAPI 3.1 in YAML, as it is
// committed in openapi.yaml.
func (a *API) OpenAPI() ([]byte, error) { return a.huma.OpenAPI().YAML() }

// description is huma's configuration. Its documentation page loads scripts
// from elsewhere and its $schema members point to pages that we do not serve:
// both are off.
func description() huma.Config {
	cfg := huma.DefaultConfig("weir", "1")
	cfg.Info.Description = "Imports GitLab CI/CD pipelines and jobs, and measures them."
	cfg.OpenAPIPath = Prefix + "/openapi"
	cfg.DocsPath = ""
	cfg.SchemasPath = ""
	cfg.CreateHooks = nil
	cfg.RejectUnknownQueryParameters = true
	cfg.Transformers = []huma.Transformer{ownProblems}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearer: {Type: "http", Scheme: "bearer", Description: "the token in DATA/server.json"},
	}
	cfg.Security = []map[string][]string{{bearer: {}}}
	return cfg
}

const bearer = "local"

// operation describes one operation; every one of them may answer a problem.
func (a *API) operation(method, path, id, summary, description string) huma.Operation {
	problem := a.huma.OpenAPI().Components.Schemas.Schema(problemType, true, "Problem")
	return huma.Operation{
		OperationID: id, Method: method, Path: Prefix + path, Summary: summary, Description: description,
		Responses: map[string]*huma.Response{"default": {
			Description: "What is wrong, and what to do",
			Content:     map[string]*huma.MediaType{problemMedia: {Schema: problem}},
		}},
	}
}

// answer is a body.
type answer[T any] struct{ Body T }

// register adds an operation with a JSON answer.
func register[I, T any](a *API, op huma.Operation, f func(context.Context, *I) (T, error)) {
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*answer[T], error) {
		body, err := f(ctx, in)
		if err != nil {
			return nil, a.refused(ctx, op.OperationID, err)
		}
		return &answer[T]{body}, nil
	})
	a.forgetErrorModel()
}

// registerEmpty adds an operation that answers 204.
func registerEmpty[I any](a *API, op huma.Operation, f func(context.Context, *I) error) {
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*struct{}, error) {
		if err := f(ctx, in); err != nil {
			return nil, a.refused(ctx, op.OperationID, err)
		}
		return nil, nil
	})
	a.forgetErrorModel()
}

// registerStream adds an operation that writes its answer itself, of one of
// the given media types.
func registerStream[I any](a *API, op huma.Operation, media []string, f func(context.Context, *I) (func(huma.Context), error)) {
	content := map[string]*huma.MediaType{}
	for _, m := range media {
		content[m] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	op.Responses["200"] = &huma.Response{Description: "OK", Content: content}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		body, err := f(ctx, in)
		if err != nil {
			return nil, a.refused(ctx, op.OperationID, err)
		}
		return &huma.StreamResponse{Body: body}, nil
	})
	a.forgetErrorModel()
}

// forgetErrorModel takes huma's own error out of the description: no answer
// has it (see ownProblems).
func (a *API) forgetErrorModel() {
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
}

// refused is the answer to an error. A defect of ours goes to the log, because
// the answer does not tell it.
func (a *API) refused(ctx context.Context, operation string, err error) *Problem {
	p := ProblemOf(err)
	if p.Code == ci.Internal && ctx.Err() == nil {
		a.Log.Error("operation failed", "operation", operation, "error", err)
	}
	return p
}
