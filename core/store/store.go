package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The errors that callers tell apart.
var (
	// ErrLocked says that another daemon uses the data folder.
	ErrLocked = errors.New("data folder is in use")
	// ErrCorrupt says that the database is damaged.
	ErrCorrupt = errors.New("database is damaged")
	// ErrFull says that there is no room to write.
	ErrFull = errors.New("no space left to write")
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options say where the store is.
type Options struct {
	// Dir is the data folder. It is made where it is missing.
	Dir string
	Log *slog.Logger
}

// Store is an open store. Its methods are safe for concurrent use.
type Store struct {
	dir   string
	log   *slog.Logger
	lock  *os.File
	write *sql.DB
	read  *sql.DB

	// writing is held by the one Update under way, and guards what follows.
	writing chan struct{}
	ids     map[string]int64
	dups    *duplicates

	statements struct {
		sync.Mutex
		write map[string]*sql.Stmt
		read  map[string]*sql.Stmt
	}
}

// Open opens the store in the data folder, migrates it, and takes the folder for this process.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := take(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: o.Dir, log: o.Log, lock: lock, writing: make(chan struct{}, 1), ids: map[string]int64{}}
	s.statements.write, s.statements.read = map[string]*sql.Stmt{}, map[string]*sql.Stmt{}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	path := filepath.Join(s.dir, "regent.db")
	// The cache is bounded so that memory stays flat however many resources there are. Readers share
	// what the operating system caches.
	source := func(cacheKiB int, extra string) string {
		q := url.Values{}
		for _, p := range []string{
			"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "busy_timeout(10000)",
			fmt.Sprintf("cache_size(-%d)", cacheKiB), "temp_store(MEMORY)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)",
		} {
			q.Add("_pragma", p)
		}
		return "file:" + path + "?" + q.Encode() + extra
	}
	var err error
	if s.write, err = sql.Open("sqlite", source(32<<10, "&_txlock=immediate")); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	s.write.SetConnMaxLifetime(0)
	if err := s.migrate(ctx); err != nil {
		return s.wrap(err)
	}
	if s.read, err = sql.Open("sqlite", source(8<<10, "&_pragma=query_only(ON)")); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.read.SetMaxOpenConns(8)
	s.read.SetMaxIdleConns(8)
	if s.dups, err = openDuplicates(ctx, s); err != nil {
		return s.wrap(fmt.Errorf("read the filters of the journal: %w", err))
	}
	return nil
}

// take locks the data folder. The lock ends with the process, however it ends.
func take(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path)
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is locked by process %s; stop it, or use another data_dir", ErrLocked, dir, strings.TrimSpace(string(pid)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		// The process id is for the message above only.
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return f, nil
}

// Close ends the store. Transactions under way must be over.
func (s *Store) Close() error {
	s.statements.Lock()
	for _, m := range []map[string]*sql.Stmt{s.statements.write, s.statements.read} {
		for _, st := range m {
			st.Close()
		}
		clear(m)
	}
	s.statements.Unlock()
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Dir returns the data folder.
func (s *Store) Dir() string { return s.dir }

// Size returns how many bytes the database takes on disk, its log included.
func (s *Store) Size() int64 {
	var n int64
	for _, name := range []string{"regent.db", "regent.db-wal"} {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
			n += info.Size()
		}
	}
	return n
}

// migrate brings the schema up to date, one file a transaction.
func (s *Store) migrate(ctx context.Context) error {
	if _, err := s.write.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL)`); err != nil {
		return fmt.Errorf("open database %s: %w", filepath.Join(s.dir, "regent.db"), err)
	}
	var have sql.NullInt64
	if err := s.write.QueryRowContext(ctx, `SELECT max(number) FROM migrations`).Scan(&have); err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	slices.Sort(names)
	if int(have.Int64) > len(names) {
		return fmt.Errorf("the data folder %s was written by a newer version (schema %d, this one knows %d); run that version or restore a backup", s.dir, have.Int64, len(names))
	}
	for i, name := range names {
		if int64(i) < have.Int64 {
			continue
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return fmt.Errorf("migrate to %s: %w", name, err)
		}
		if _, err = tx.ExecContext(ctx, string(text)); err == nil {
			_, err = tx.ExecContext(ctx, `INSERT INTO migrations (number, name) VALUES (?, ?)`, i+1, filepath.Base(name))
		}
		if err != nil {
			return errors.Join(fmt.Errorf("migrate to %s: %w", name, err), tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("migrate to %s: %w", name, err)
		}
	}
	return nil
}

// wrap names the failures that callers and operators tell apart.
func (s *Store) wrap(err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%w in %s: %w", ErrFull, s.dir, err)
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %s: %w; stop the daemon, keep a copy of the folder, and restore the last backup", ErrCorrupt, filepath.Join(s.dir, "regent.db"), err)
		case sqlite3.SQLITE_IOERR:
			// SQLite says only that writing failed; on a full disk that is why.
			var st unix.Statfs_t
			if unix.Statfs(s.dir, &st) == nil && st.Bavail*uint64(st.Bsize) < 1<<20 {
				return fmt.Errorf("%w in %s: %w", ErrFull, s.dir, err)
			}
		}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w in %s: %w", ErrFull, s.dir, err)
	}
	return err
}

// Tx is a transaction. See the package comment for its life.
type Tx struct {
	s        *Store
	ctx      context.Context
	tx       *sql.Tx
	writable bool
	onCommit []func()
	prepared map[string]*sql.Stmt
}

// Update runs fn in a writing transaction. It waits for the one under way. When it returns nil
// everything fn wrote is durable; when fn returns an error or panics nothing is.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) (err error) {
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writing }()
	// The transaction is not tied to ctx: cutting it off between two statements would gain nothing,
	// and between commit and its answer would leave the outcome unknown.
	inner := context.WithoutCancel(ctx)
	sqlTx, err := s.write.BeginTx(inner, nil)
	if err != nil {
		return s.wrap(fmt.Errorf("begin: %w", err))
	}
	tx := &Tx{s: s, ctx: inner, tx: sqlTx, writable: true}
	done := false
	defer func() {
		if !done {
			// What fails here has failed already.
			_ = sqlTx.Rollback()
			s.dups.rollback()
			clear(s.ids)
		}
	}()
	if err := fn(tx); err != nil {
		return s.wrap(err)
	}
	if err := sqlTx.Commit(); err != nil {
		return s.wrap(fmt.Errorf("commit: %w", err))
	}
	done = true
	s.dups.commit()
	s.remember(tx)
	for _, f := range tx.onCommit {
		f()
	}
	return nil
}

// remember prepares the statements of a transaction for the next ones. It is done between
// transactions because the one writing connection is free only then.
func (s *Store) remember(tx *Tx) {
	for query := range tx.prepared {
		s.statements.Lock()
		_, known := s.statements.write[query]
		s.statements.Unlock()
		if known {
			continue
		}
		st, err := s.write.PrepareContext(tx.ctx, query)
		if err != nil {
			// It is prepared inside the next transaction then, which reports what is wrong.
			continue
		}
		s.statements.Lock()
		s.statements.write[query] = st
		s.statements.Unlock()
	}
}

// View runs fn on a snapshot of what is committed.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	sqlTx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return s.wrap(fmt.Errorf("begin: %w", err))
	}
	defer func() { _ = sqlTx.Rollback() }()
	return s.wrap(fn(&Tx{s: s, ctx: ctx, tx: sqlTx}))
}

// OnCommit has f called once after the transaction is durable, before the next one begins.
func (tx *Tx) OnCommit(f func()) { tx.onCommit = append(tx.onCommit, f) }

// stmt returns the statement of a query, prepared once per store and once per transaction.
func (tx *Tx) stmt(query string) (*sql.Stmt, error) {
	if st := tx.prepared[query]; st != nil {
		return st, nil
	}
	s := tx.s
	db, cache := s.read, s.statements.read
	if tx.writable {
		db, cache = s.write, s.statements.write
	}
	s.statements.Lock()
	st := cache[query]
	s.statements.Unlock()
	if st == nil {
		// On the one writing connection a statement cannot be prepared beside the transaction that
		// holds it: prepare it inside, for this transaction.
		if tx.writable {
			inner, err := tx.tx.PrepareContext(tx.ctx, query)
			if err != nil {
				return nil, fmt.Errorf("prepare %q: %w", query, err)
			}
			return tx.keep(query, inner), nil
		}
		var err error
		if st, err = db.PrepareContext(tx.ctx, query); err != nil {
			return nil, fmt.Errorf("prepare %q: %w", query, err)
		}
		s.statements.Lock()
		if other := cache[query]; other != nil {
			st.Close()
			st = other
		} else {
			cache[query] = st
		}
		s.statements.Unlock()
	}
	return tx.keep(query, tx.tx.StmtContext(tx.ctx, st)), nil
}

func (tx *Tx) keep(query string, st *sql.Stmt) *sql.Stmt {
	if tx.prepared == nil {
		tx.prepared = map[string]*sql.Stmt{}
	}
	tx.prepared[query] = st
	return st
}

func (tx *Tx) exec(query string, args ...any) (sql.Result, error) {
	st, err := tx.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(tx.ctx, args...)
}

func (tx *Tx) run(query string, args ...any) error {
	_, err := tx.exec(query, args...)
	return err
}

func (tx *Tx) query(query string, args ...any) (*sql.Rows, error) {
	st, err := tx.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(tx.ctx, args...)
}

// one reads a single row and reports whether there was one.
func (tx *Tx) one(query string, args []any, to ...any) (bool, error) {
	st, err := tx.stmt(query)
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(tx.ctx, args...).Scan(to...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each calls fn for every row; fn scans it.
func (tx *Tx) each(query string, args []any, fn func(rows *sql.Rows) error) error {
	rows, err := tx.query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// nextID gives the next id of a table. Only one transaction writes at a time, so the greatest id is
// read once and counted from there.
func (tx *Tx) nextID(table, column string) (int64, error) {
	n, known := tx.s.ids[table]
	if !known {
		var top sql.NullInt64
		if _, err := tx.one(`SELECT max(`+column+`) FROM `+table, nil, &top); err != nil {
			return 0, err
		}
		n = top.Int64
	}
	n++
	tx.s.ids[table] = n
	return n, nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
