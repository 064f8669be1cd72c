package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, one file a transaction. Files are numbered from 1 and never
// changed once released.
func migrate(ctx context.Context, c *conn, files fs.FS, dir string) error {
	if _, err := c.c.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL)`); err != nil {
		return fmt.Errorf("open the table of migrations: %w", err)
	}
	var have sql.NullInt64
	if err := c.c.QueryRowContext(ctx, `SELECT max(number) FROM migrations`).Scan(&have); err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	slices.Sort(names)
	if int(have.Int64) > len(names) {
		return fmt.Errorf("the data folder %s was written by a newer version (schema %d, this one knows %d); run that version or restore a backup", dir, have.Int64, len(names))
	}
	for i, name := range names {
		if int64(i) < have.Int64 {
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("read migration: %w", err)
		}
		if err := migrateOne(ctx, c, i+1, path.Base(name), string(text)); err != nil {
			return fmt.Errorf("migrate to %s: %w", path.Base(name), err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, c *conn, number int, name, text string) error {
	if _, err := c.c.ExecContext(ctx, beginWrite); err != nil {
		return err
	}
	_, err := c.c.ExecContext(ctx, dialect(text))
	if err == nil {
		_, err = c.c.ExecContext(ctx, `INSERT INTO migrations (number, name) VALUES (?, ?)`, number, name)
	}
	if err == nil {
		_, err = c.c.ExecContext(ctx, commitSQL)
	}
	if err != nil {
		_, back := c.c.ExecContext(ctx, rollback)
		return errors.Join(err, back)
	}
	return nil
}
