package lake

import (
	"context"
	"slices"
	"sync"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/store"
)

// Snapshot returns, as local paths, the files that tables consist of, with everything that was committed
// before the call; of events those that may hold some in a range. The files stay until release is called.
func (l *Lake) Snapshot(ctx context.Context, tables []table.Name, inRange Range) (files map[table.Name][]string, release func(), err error) {
	if err := l.Flush(ctx); err != nil {
		return nil, nil, err
	}
	releases := []func(){l.readers.begin(l.now())}
	release = sync.OnceFunc(func() {
		for _, r := range slices.Backward(releases) {
			r()
		}
	})
	var all []store.LakeFile
	err = l.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		all, err = tx.LakeFiles("")
		return err
	})
	files = map[table.Name][]string{}
	for _, f := range all {
		if err != nil || !slices.Contains(tables, f.Table) || f.Table == table.Events && !inRange.overlaps(&f.File) {
			continue
		}
		var path string
		var done func()
		if path, done, err = l.o.Cache.Fetch(ctx, f.Path, f.SHA256, f.Bytes); err == nil {
			releases = append(releases, done)
			files[f.Table] = append(files[f.Table], path)
		} else {
			err = l.unreadable(f.Path, err)
		}
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return files, release, nil
}
