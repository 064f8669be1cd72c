package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// The errors that callers tell apart.
var (
	// ErrLocked says that another daemon uses the data folder, or another program the database.
	ErrLocked = errors.New("data folder is in use")
	// ErrCorrupt says that the database is damaged.
	ErrCorrupt = errors.New("database is damaged")
	// ErrFull says that there is no room to write.
	ErrFull = errors.New("no space left to write")
	// ErrAmbiguous says that a look-up that wants one resource found several.
	ErrAmbiguous = errors.New("several resources match")
)

// Options say where the store is.
type Options struct {
	// Dir is the data folder. It is made where it is missing.
	Dir string
	// Log gets what happens beside the callers' transactions; nil is nowhere.
	Log *slog.Logger
	// Now is the time at which states are noted; nil is time.Now.
	Now func() time.Time
}

// Store is an open store. Its methods are safe for concurrent use.
type Store struct {
	dir  string
	log  *slog.Logger
	now  func() time.Time
	lock *os.File
	db   *sql.DB

	// writing holds the one connection that writes, for whoever has the turn. It guards writer and
	// all that follows up to bodies.
	writing chan struct{}
	writer  *conn
	ids     map[string]int64
	dups    *duplicates
	// forgetting is how far ForgetPolicy has come.
	forgetting map[verdict.PolicyID]int64
	// verdictsRetained is up to where retention has looked through the history of verdicts.
	verdictsRetained int64

	// readers are the connections of Views; those that hold nil were not opened yet.
	readers chan *conn

	bodies  *dictionaries
	terms   *termTable
	batches batchCache

	// stop ends the checkpointer; committed wakes it.
	closed    atomic.Bool
	ended     chan struct{}
	stop      context.CancelFunc
	stopped   sync.WaitGroup
	committed chan struct{}
}

// Open opens the store in the data folder, migrates it, and takes the folder for this process.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := take(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: o.Dir, log: o.Log, now: o.Now, lock: lock,
		writing: make(chan struct{}, 1), ids: map[string]int64{}, forgetting: map[verdict.PolicyID]int64{},
		readers: make(chan *conn, maxReaders),
		bodies:  newDictionaries(), terms: newTermTable(),
		stop: func() {}, committed: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	for range maxReaders {
		s.readers <- nil
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.wrap(err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	start := time.Now()
	var err error
	if s.db, err = openDatabase(s.path()); err != nil {
		return err
	}
	if s.writer, err = openConn(ctx, s.db, writerCache, false); err != nil {
		return err
	}
	if err := s.inspect(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, s.writer, migrations, s.dir); err != nil {
		return err
	}
	err = s.View(ctx, func(tx *Tx) error {
		s.dups, err = loadDuplicates(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the journal's fingerprints: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.stopped.Go(func() { s.checkpoints(run) })
	s.log.Debug("store opened", "dir", s.dir, "bytes", s.Size(), "took", time.Since(start))
	return nil
}

// Close ends the store. It waits for the Views under way; Updates must be over. Closing it again does
// nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	close(s.ended)
	s.stop()
	s.stopped.Wait()
	var errs []error
	for range maxReaders {
		if c := <-s.readers; c != nil {
			errs = append(errs, c.close())
		}
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Dir returns the data folder.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path() string { return filepath.Join(s.dir, "regent.db") }

// Size returns how many bytes the database takes on disk, its log included.
func (s *Store) Size() int64 {
	var n int64
	for _, suffix := range []string{"", "-wal"} {
		// The file may not be opened beside SQLite: closing it again would drop SQLite's locks.
		if info, err := os.Stat(s.path() + suffix); err == nil {
			n += info.Size()
		}
	}
	return n
}
