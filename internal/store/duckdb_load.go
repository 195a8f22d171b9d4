package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/duckdb/duckdb-go/v2"
)

// How rows get into DuckDB: new ones by an appender on the table itself, the
// others by an appender on the staging table and the upsert that follows. An
// upsert of wide rows costs DuckDB twice what appending them does, because it
// sorts and groups them all; of a backfill's rows hardly any is there before.

// insertFrom is the number of rows from which looking for known keys is cheaper
// than an upsert of all.
const insertFrom = 200

func (t *duckTx) insert(ctx context.Context, table *Table, rows [][]any) ([][]any, error) {
	keys := table.Keys()
	if len(keys) == 0 { // every row is a new one
		return nil, t.append(ctx, "", table.Name, table, rows)
	}
	if len(rows) < t.insertFrom || len(keys) != 2 || keys[0] != "instance_id" || !plainKeyed(table) {
		return rows, nil
	}
	at := columnIndexes(table, func(c *Column) bool { return c.Key })
	byInstance := map[int64][]int64{}
	for _, row := range rows {
		instance, id := row[at[0]].(int64), row[at[1]].(int64)
		byInstance[instance] = append(byInstance[instance], id)
	}
	known := map[[2]int64]bool{}
	for instance, ids := range byInstance {
		if err := t.known(ctx, table, keys[1], instance, ids, known); err != nil {
			return nil, err
		}
	}
	var fresh, others [][]any
	for _, row := range rows {
		if known[[2]int64{row[at[0]].(int64), row[at[1]].(int64)}] {
			others = append(others, row)
		} else {
			fresh = append(fresh, row)
		}
	}
	if len(fresh) == 0 {
		return others, nil
	}
	return others, t.append(ctx, "", table.Name, table, fresh)
}

// plainKeyed says whether an appender takes t's values as encode gives them:
// JSON has to be cast first, and a key of text is looked for by nobody.
func plainKeyed(t *Table) bool {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Type == JSON || c.Key && c.Type != BigInt {
			return false
		}
	}
	return true
}

// known adds which of the ids the table has. The join lets DuckDB skip the row
// groups outside of the ids' range; a list in the condition would not.
func (t *duckTx) known(ctx context.Context, table *Table, key string, instance int64, ids []int64, known map[[2]int64]bool) (err error) {
	found, err := t.rows(ctx, fmt.Sprintf(`SELECT t.%[1]s FROM (SELECT unnest(CAST($2 AS BIGINT[])) AS id) wanted
JOIN %[2]s t ON t.instance_id = $1 AND t.%[1]s = wanted.id`, quoteName(key), quoteName(table.Name)), instance, ids)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.close()) }()
	for {
		row, err := found.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		known[[2]int64{instance, row[0].(int64)}] = true
	}
}

func (t *duckTx) load(ctx context.Context, table *Table, rows [][]any) error {
	if _, err := t.conn.ExecContext(ctx, "DELETE FROM "+quoteName(stage(table))); err != nil {
		return err
	}
	return t.append(ctx, "temp", stage(table), table, rows)
}

// append writes rows, whose values stand in the order of table's description,
// into a table with those columns; a migrated one has them in another order.
func (t *duckTx) append(ctx context.Context, catalog, name string, table *Table, rows [][]any) error {
	return t.conn.Raw(func(dc any) error {
		conn, ok := dc.(driver.Conn)
		if !ok {
			return fmt.Errorf("%T is no connection of DuckDB's driver", dc)
		}
		appender, err := duckdb.NewAppenderWithColumns(conn, catalog, "main", name, table.ColumnNames())
		if err != nil {
			return err
		}
		values := make([]driver.Value, len(table.Columns))
		for _, row := range rows {
			for i := range row {
				values[i] = row[i]
			}
			if err := appender.AppendRow(values...); err != nil {
				return errors.Join(err, appender.Close())
			}
		}
		return appender.CloseWithCancel(ctx)
	})
}
