package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The page caches are bounded so that memory stays flat however much is stored; in all they take at
// most 32 MiB. Readers get little: SQLite drops a reader's cache whenever the writer has committed,
// and the operating system caches the file for all of them.
const (
	maxReaders  = 8
	writerCache = 16 << 10 // KiB
	readerCache = 2 << 10  // KiB
)

// busyTimeout is how long to wait for another program that locks the database, in milliseconds.
const busyTimeout = 5000

// Statements that begin and end transactions.
const (
	beginWrite = `BEGIN IMMEDIATE`
	beginRead  = `BEGIN`
	commitSQL  = `COMMIT`
	rollback   = `ROLLBACK`
)

func openDatabase(path string) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range []string{
		"busy_timeout(" + strconv.Itoa(busyTimeout) + ")", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(ON)", "temp_store(MEMORY)", "journal_size_limit(67108864)",
		// LIKE minds the case, as it does in PostgreSQL.
		"case_sensitive_like(ON)",
		// The checkpointer does this beside the writer; the writer itself does it only where the
		// checkpointer is held up by something.
		"wal_autocheckpoint(" + strconv.Itoa(4*maxLogPages) + ")",
	} {
		q.Add("_pragma", p)
	}
	// The path goes through a URL, in which a folder's "?" or "%" would mean something else.
	source := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// dialect turns a migration into the engine's own words. In SQLite only a column declared INTEGER
// PRIMARY KEY is the key of the table itself; any other is a second tree beside it.
func dialect(text string) string {
	return strings.ReplaceAll(text, "BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
}

// inspect looks whether the database can be read at all: every table at both its ends. A check of
// every page would take minutes where much is stored, and what SQLite wrote survives a crash; Verify
// makes it on demand.
func (s *Store) inspect(ctx context.Context) error {
	rows, err := s.writer.c.QueryContext(ctx, `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.path(), err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return fmt.Errorf("read the schema: %w", err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	for _, name := range tables {
		for _, order := range []string{"ASC", "DESC"} {
			var n int64
			err := s.writer.c.QueryRowContext(ctx, `SELECT rowid FROM "`+name+`" ORDER BY rowid `+order+` LIMIT 1`).Scan(&n)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("read table %s: %w", name, err)
			}
		}
	}
	return nil
}

// Verify reads the whole database and checks its structure. It takes as long as reading all of it.
func (s *Store) Verify(ctx context.Context) error {
	return s.View(ctx, func(tx *Tx) error {
		for _, check := range []string{`PRAGMA integrity_check(10)`, `PRAGMA foreign_key_check`} {
			rows, err := tx.c.c.QueryContext(ctx, check)
			if err != nil {
				return err
			}
			err = verifyRows(rows)
			rows.Close()
			if err != nil {
				return fmt.Errorf("%w: %s: %w; %s", ErrCorrupt, s.path(), err, wayOut)
			}
		}
		return nil
	})
}

// verifyRows turns what a check answers into an error; one row "ok" or none at all is well.
func verifyRows(rows *sql.Rows) error {
	var found []string
	for rows.Next() {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		var parts []string
		for _, v := range values {
			parts = append(parts, v.String)
		}
		if line := strings.Join(parts, " "); line != "ok" {
			found = append(found, line)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(found) > 0 {
		return errors.New(strings.Join(found, "; "))
	}
	return nil
}

// wayOut is what an operator can do about a damaged database.
const wayOut = "stop the daemon, keep a copy of the data folder, and restore the last backup; " +
	"without one, move regent.db, regent.db-wal and regent.db-shm away: history then begins anew, and collectors read from the start"

// wrap names the failures that callers and operators tell apart.
func (s *Store) wrap(err error) error {
	if err == nil || errors.Is(err, ErrFull) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrLocked) {
		return err
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%w in %s: %w", ErrFull, s.dir, err)
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %s: %w; %s", ErrCorrupt, s.path(), err, wayOut)
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("%w: another program has locked %s: %w; end it, and nothing is lost", ErrLocked, s.path(), err)
		case sqlite3.SQLITE_IOERR:
			// SQLite says only that it failed; on a full disk, a used-up quota or at the greatest
			// size of a file, that is why.
			if s.noRoom() {
				return fmt.Errorf("%w in %s: %w", ErrFull, s.dir, err)
			}
		}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w in %s: %w", ErrFull, s.dir, err)
	}
	return err
}

// noRoom reports whether writing fails for want of room.
func (s *Store) noRoom() bool {
	var st unix.Statfs_t
	if unix.Statfs(s.dir, &st) == nil && st.Bavail*uint64(st.Bsize) < 1<<20 {
		return true
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &limit) == nil {
		for _, suffix := range []string{"", "-wal"} {
			if info, err := os.Stat(s.path() + suffix); err == nil && uint64(info.Size())+1<<20 > limit.Cur && limit.Cur < 1<<62 {
				return true
			}
		}
	}
	// A quota is known only to who writes.
	f, err := os.CreateTemp(s.dir, "room-*")
	if err != nil {
		var path *fs.PathError
		return errors.As(err, &path) && (errors.Is(path.Err, syscall.ENOSPC) || errors.Is(path.Err, syscall.EDQUOT))
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 64<<10))
	err = errors.Join(err, f.Sync(), f.Close())
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
