package lake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// Broken is a file of the lake that is lost, or is not what was written. Who asks for what is in it is told so;
// all else goes on without it.
type Broken struct {
	Path  string
	Since time.Time
	Err   error
}

// damagedEvery is how often a file that is there and damaged is read again to see whether it was restored.
const damagedEvery = time.Hour

// brokenFiles are the files that turned out to be broken.
type brokenFiles struct {
	mu    sync.Mutex
	files map[string]*brokenFile
}

type brokenFile struct {
	Broken
	looked time.Time
}

// lost reports whether an error says that a file of the lake cannot be read however often it is tried.
func lost(err error) bool {
	var damage *blob.Damage
	return errors.Is(err, blob.ErrNotFound) || errors.Is(err, ErrDamaged) || errors.As(err, &damage)
}

// unreadable says of a file that it cannot be read, and notes one that is broken.
func (l *Lake) unreadable(path string, err error) error {
	err = fmt.Errorf("read %s of the lake: %w", path, err)
	if !lost(err) {
		return err
	}
	now := l.now()
	b := &l.broken
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.files[path]; f != nil {
		f.Err, f.looked = err, now
	} else {
		b.files[path] = &brokenFile{Broken{path, now, err}, now}
	}
	return err
}

// Broken returns the files that are known to be broken, by path.
func (l *Lake) Broken() []Broken {
	b := &l.broken
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Broken
	for _, f := range b.files {
		out = append(out, f.Broken)
	}
	slices.SortFunc(out, func(a, b Broken) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

func (l *Lake) isBroken(path string) bool {
	b := &l.broken
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.files[path] != nil
}

// mend forgets of the files that were broken those that are whole again, or out of the manifest.
func (l *Lake) mend(ctx context.Context) error {
	was := l.Broken()
	if len(was) == 0 {
		return nil
	}
	have := map[string]manifest.File{}
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		files, err := tx.LakeFiles("")
		for _, f := range files {
			have[f.Path] = f.File
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range was {
		info, wanted := have[f.Path]
		whole := !wanted
		if wanted {
			if whole, err = l.whole(ctx, &info); err != nil {
				return err
			}
		}
		if whole {
			l.log.Info("a file of the lake is not missed any more", "path", f.Path)
			// What is open is what was there before.
			l.files.forget(f.Path)
			l.broken.mu.Lock()
			delete(l.broken.files, f.Path)
			l.broken.mu.Unlock()
		}
	}
	return nil
}

// whole reports whether a file that was broken is what was written. One that is there is not read often.
func (l *Lake) whole(ctx context.Context, info *manifest.File) (bool, error) {
	l.broken.mu.Lock()
	f := l.broken.files[info.Path]
	wasThere, looked := !errors.Is(f.Err, blob.ErrNotFound), f.looked
	l.broken.mu.Unlock()
	now := l.now()
	if wasThere && now.Sub(looked) < damagedEvery && !now.Before(looked) {
		return false, nil
	}
	o, err := l.o.Bucket.Open(ctx, info.Path)
	if err != nil {
		if err = l.unreadable(info.Path, err); lost(err) {
			return false, nil
		}
		return false, err
	}
	defer o.Close()
	h := sha256.New()
	if o.Size() == info.Bytes {
		if _, err := io.Copy(h, blob.Reader(ctx, io.NewSectionReader(o, 0, o.Size()))); err != nil {
			return false, fmt.Errorf("read %s of the lake: %w", info.Path, err)
		}
	}
	if record.Digest(h.Sum(nil)) == info.SHA256 {
		return true, nil
	}
	_ = l.unreadable(info.Path, ErrDamaged)
	return false, nil
}

// ErrNotBroken says that a file is not known to be broken.
var ErrNotBroken = errors.New("it is not one of the broken files")

// Forget takes a broken file out of the manifest, for good: what it held is lost, which the ledger says with who
// gave it up.
func (l *Lake) Forget(ctx context.Context, path, by string) error {
	release, err := l.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := l.resume(ctx); err != nil {
		return err
	}
	// It may have been restored a moment ago.
	l.broken.mu.Lock()
	if f := l.broken.files[path]; f != nil {
		f.looked = time.Time{}
	}
	l.broken.mu.Unlock()
	if err := l.mend(ctx); err != nil {
		return err
	}
	i := slices.IndexFunc(l.Broken(), func(b Broken) bool { return b.Path == path })
	if i < 0 {
		return fmt.Errorf("%s: %w", path, ErrNotBroken)
	}
	c := &manifest.Change{At: l.now().UTC().Truncate(time.Microsecond), Kind: manifest.Loss, Setting: fmt.Sprintf("%s: %v", by, l.Broken()[i].Err)}
	err = l.o.Store.Update(ctx, func(tx *store.Tx) error {
		files, err := tx.LakeFiles("")
		if err != nil {
			return err
		}
		c.Removed = nil
		for _, f := range files {
			if f.Path == path {
				c.Removed = append(c.Removed, f.File)
			}
		}
		return tx.ApplyLakeChange(c, nil)
	})
	if err != nil {
		return fmt.Errorf("give up %s: %w", path, err)
	}
	l.log.Warn("a file of the lake was given up", "path", path, "rows", c.Removed[0].Rows, "by", by)
	if err := l.mend(ctx); err != nil {
		return err
	}
	return l.publish(ctx)
}

// giveUp lets go of a plan one of whose files is broken, so that the next ones are carried out.
func (l *Lake) giveUp(ctx context.Context, p *plan, cause error) error {
	if !slices.ContainsFunc(p.Merge.Inputs, func(f manifest.File) bool { return l.isBroken(f.Path) }) {
		return cause
	}
	l.log.Error("files of the lake cannot be put together; they stay as they are", "plan", p.ID, "err", cause)
	if err := l.o.Store.Update(ctx, func(tx *store.Tx) error { return tx.EndLakePlan(p.ID) }); err != nil {
		return fmt.Errorf("let go of plan %d: %w", p.ID, err)
	}
	return nil
}
