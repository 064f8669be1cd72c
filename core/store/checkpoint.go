package store

import (
	"context"
	"time"
)

// maxLogPages is how long the write-ahead log may grow, in pages of 4 KiB, before the writer waits for
// a checkpoint.
const maxLogPages = 8000

// checkpointPause is how long the checkpointer waits after a commit for more to come.
const checkpointPause = 500 * time.Millisecond

// checkpoints moves what was committed from the write-ahead log into the database, until ctx ends.
// Left to itself SQLite does it inside a commit, which then takes fifty times as long as the others.
func (s *Store) checkpoints(ctx context.Context) {
	c, err := openConn(ctx, s.db, readerCache, false)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("the log of the database is not trimmed beside the writer", "err", err)
		}
		return
	}
	defer c.close()
	timer := time.NewTimer(checkpointPause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.committed:
		}
		timer.Reset(checkpointPause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pages, err := c.checkpoint(ctx)
		if err == nil && pages > maxLogPages {
			// The log begins anew only when all of it is in the database and nobody has added to it
			// since. Under load that never comes by itself; what is left to move is little by now.
			select {
			case s.writing <- struct{}{}:
				_, err = c.checkpoint(ctx)
				<-s.writing
			case <-ctx.Done():
				return
			}
		}
		if err != nil && ctx.Err() == nil {
			// The writer meets the same where it matters.
			s.log.Warn("the log of the database could not be moved into it", "err", s.wrap(err))
		}
	}
}

// checkpoint moves what can be moved without waiting for anyone, and returns how many pages the log
// has.
func (c *conn) checkpoint(ctx context.Context) (int, error) {
	var busy, pages, moved int
	err := c.c.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &pages, &moved)
	return pages, err
}
