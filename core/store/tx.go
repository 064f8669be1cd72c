package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// conn is a connection with the statements prepared on it. One transaction uses it at a time.
type conn struct {
	c          *sql.Conn
	statements map[string]*sql.Stmt
}

// openConn opens a connection with a page cache of so many KiB.
func openConn(ctx context.Context, db *sql.DB, cache int, readOnly bool) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pragmas := []string{fmt.Sprintf(`PRAGMA cache_size = -%d`, cache)}
	if readOnly {
		pragmas = append(pragmas, `PRAGMA query_only = ON`)
	}
	for _, p := range pragmas {
		if _, err := c.ExecContext(ctx, p); err != nil {
			return nil, errors.Join(fmt.Errorf("open database: %w", err), c.Close())
		}
	}
	return &conn{c: c, statements: map[string]*sql.Stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, st := range c.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// stmt returns the statement of a query, which is prepared once.
func (c *conn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := c.statements[query]; st != nil {
		return st, nil
	}
	st, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	c.statements[query] = st
	return st, nil
}

func (c *conn) run(ctx context.Context, query string) error {
	st, err := c.stmt(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx)
	return err
}

// Tx is a transaction. See the package comment for its life.
type Tx struct {
	s *Store
	// c is nil once the transaction is over.
	c *conn
	// ctx is the caller's, for queries that may read much. The others are not cut off: there is
	// nothing to gain, and watching a context costs more than the query.
	ctx, uncut context.Context
	writable   bool
	onCommit   []func()
	onRollback []func()
	// counts are changes of verdict_counts that flush writes.
	counts map[outcomeOf]int64
	// at is the time of the transaction, in microseconds; 0 until it is asked for.
	at int64
}

// errClosed is what a store answers after Close.
var errClosed = errors.New("the store is closed")

// errOver is what a transaction answers after its end.
var errOver = errors.New("the transaction is over")

// Update runs fn in a writing transaction. It waits for the one under way. When it returns nil
// everything fn wrote is durable; when fn returns an error or panics nothing is.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writing }()
	if s.closed.Load() {
		return errClosed
	}
	uncut := context.WithoutCancel(ctx)
	if err := s.begin(uncut); err != nil {
		return s.wrap(fmt.Errorf("begin: %w", err))
	}
	tx := &Tx{s: s, c: s.writer, ctx: ctx, uncut: uncut, writable: true}
	committed := false
	defer func() {
		tx.c = nil
		if committed {
			return
		}
		// Where this fails SQLite has rolled back already.
		_ = s.writer.run(uncut, rollback)
		s.dups.rollback()
		clear(s.ids)
		for _, f := range tx.onRollback {
			f()
		}
	}()
	if err := fn(tx); err != nil {
		return s.wrap(err)
	}
	if err := tx.flush(); err != nil {
		return s.wrap(err)
	}
	if err := s.writer.run(uncut, commitSQL); err != nil {
		return s.wrap(fmt.Errorf("commit: %w", err))
	}
	committed = true
	s.dups.commit()
	for _, f := range tx.onCommit {
		f()
	}
	select {
	case s.committed <- struct{}{}:
	default:
	}
	return nil
}

// begin begins a writing transaction, on a new connection where the old one is in no state to.
func (s *Store) begin(ctx context.Context) error {
	err := s.writer.run(ctx, beginWrite)
	if err == nil || errors.Is(s.wrap(err), ErrLocked) {
		return err
	}
	fresh, again := openConn(ctx, s.db, writerCache, false)
	if again != nil {
		return errors.Join(err, again)
	}
	// What closing it says is of no use to anyone: it was broken before.
	_ = s.writer.close()
	s.writer = fresh
	return s.writer.run(ctx, beginWrite)
}

// flush writes what the transaction gathered.
func (tx *Tx) flush() error {
	for k, n := range tx.counts {
		if n == 0 {
			continue
		}
		err := tx.run(`INSERT INTO verdict_counts (policy, outcome, n) VALUES (?, ?, ?)
			ON CONFLICT (policy, outcome) DO UPDATE SET n = verdict_counts.n + excluded.n`, string(k.policy), string(k.outcome), n)
		if err != nil {
			return fmt.Errorf("count verdicts: %w", err)
		}
	}
	clear(tx.counts)
	return nil
}

// View runs fn on a snapshot of what is committed. It waits only where very many Views are under way;
// fn must not begin another one.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	var c *conn
	select {
	case c = <-s.readers:
	case <-s.ended:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	// A connection that fails at the very beginning is not used again.
	healthy := false
	defer func() {
		if !healthy && c != nil {
			_ = c.close()
			c = nil
		}
		s.readers <- c
	}()
	uncut := context.WithoutCancel(ctx)
	if c == nil {
		var err error
		if c, err = openConn(uncut, s.db, readerCache, true); err != nil {
			return s.wrap(err)
		}
	}
	if err := c.run(uncut, beginRead); err != nil {
		return s.wrap(fmt.Errorf("begin: %w", err))
	}
	tx := &Tx{s: s, c: c, ctx: ctx, uncut: uncut}
	defer func() {
		tx.c = nil
		healthy = c.run(uncut, rollback) == nil
	}()
	return s.wrap(fn(tx))
}

// OnCommit has f called once after the transaction is durable, before the next one begins. f must not
// begin one itself.
func (tx *Tx) OnCommit(f func()) { tx.onCommit = append(tx.onCommit, f) }

// run executes a statement.
func (tx *Tx) run(query string, args ...any) error {
	_, err := tx.exec(query, args...)
	return err
}

// exec executes a statement and returns how many rows it touched.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if tx.c == nil {
		return 0, errOver
	}
	st, err := tx.c.stmt(tx.uncut, query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(tx.uncut, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// one reads a single row and reports whether there was one.
func (tx *Tx) one(query string, args []any, to ...any) (bool, error) {
	if tx.c == nil {
		return false, errOver
	}
	st, err := tx.c.stmt(tx.uncut, query)
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(tx.uncut, args...).Scan(to...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each calls fn for every row; fn scans it. fn must not use the transaction: not every engine can do
// two things at once on one connection.
func (tx *Tx) each(query string, args []any, fn func(rows *sql.Rows) error) error {
	if tx.c == nil {
		return errOver
	}
	st, err := tx.c.stmt(tx.uncut, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(tx.uncut, args...)
	return eachRow(rows, err, fn)
}

// search is each for queries that are put together from what a person asks, of which there are too
// many to keep them prepared. It ends early with the caller's context.
func (tx *Tx) search(query string, args []any, fn func(rows *sql.Rows) error) error {
	if tx.c == nil {
		return errOver
	}
	rows, err := tx.c.c.QueryContext(tx.ctx, query, args...)
	return eachRow(rows, err, fn)
}

func eachRow(rows *sql.Rows, err error, fn func(rows *sql.Rows) error) error {
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

// maxTogether is how many rows one statement writes.
const maxTogether = 32

// insert writes rows of so many columns with few statements: args are the values row by row, head
// ends before VALUES, tail follows it. The numbers of rows are powers of two, so that few different
// statements are prepared.
func (tx *Tx) insert(head string, columns int, args []any, tail string) error {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	for n := maxTogether; n > 0; n /= 2 {
		for len(args) >= n*columns {
			query := head + " VALUES " + row + strings.Repeat(", "+row, n-1) + " " + tail
			if err := tx.run(query, args[:n*columns]...); err != nil {
				return err
			}
			args = args[n*columns:]
		}
	}
	return nil
}

// nextID gives the next number of a table. Only one transaction writes at a time, so the greatest is
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
