package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

func (a *API) registerSchema() {
	register(a, a.operation(http.MethodGet, "/schema", "list-tables", "The data dictionary", "Published tables, then views."),
		func(ctx context.Context, _ *struct{}) (Schema, error) {
			rows, err := a.Store.Counts(ctx)
			if err != nil {
				return Schema{}, err
			}
			shown := Schema{Tables: []Table{}}
			for _, t := range store.Tables() {
				shown.Tables = append(shown.Tables, showTable(t, rows))
			}
			for _, v := range store.Views() {
				shown.Tables = append(shown.Tables, showTable(v, rows))
			}
			return shown, nil
		})

	register(a, a.operation(http.MethodGet, "/schema/{table}", "show-table", "A table and its columns", ""),
		func(ctx context.Context, in *struct {
			Table string `path:"table"`
		},
		) (Table, error) {
			t, err := published(in.Table)
			if err != nil {
				return Table{}, err
			}
			rows, err := a.Store.Counts(ctx)
			return showTable(t, rows), err
		})
}

// published finds a table or view by name.
func published(name string) (store.Table, error) {
	t, ok := store.TableByName(name)
	if !ok {
		return t, &ci.Problem{
			Code:   ci.NotFound,
			Cause:  fmt.Sprintf("There is no table %q.", name),
			Remedy: "See which there are: weir schema.",
		}
	}
	return t, nil
}

func showTable(t store.Table, rows map[string]int64) Table {
	shown := Table{Name: t.Name, Kind: "view", Meaning: t.Meaning, Columns: []TableColumn{}}
	if !t.IsView() {
		shown.Kind, shown.Rows = "table", new(rows[t.Name])
	}
	for _, c := range t.Columns {
		shown.Columns = append(shown.Columns, TableColumn{
			Name: c.Name, Type: string(c.Type), Nullable: c.Nullable, Key: c.Key, Meaning: c.Meaning, References: c.References,
		})
	}
	return shown
}
