package daemon

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/lake"
	"github.com/regent-dev/regent/core/lake/table"
)

// openLake opens the lake that the configuration names.
func (d *Daemon) openLake(cfg *config.Config) error {
	bucket, err := blob.Folder(filepath.Join(cfg.DataDir, "lake"))
	if err != nil {
		return fmt.Errorf("open the lake: %w", err)
	}
	cache, err := blob.NewCache(bucket, filepath.Join(cfg.DataDir, "cache"), 1<<30)
	if err != nil {
		return fmt.Errorf("open the lake: %w", err)
	}
	d.lake, err = lake.Open(lake.Options{
		Store: d.store, Bucket: bucket, Cache: cache, Scratch: filepath.Join(cfg.DataDir, "scratch"),
		Log: d.log, Now: time.Now, Retention: d.lakeRetention,
	})
	return err
}

// lakeRetention says how long the tables of the lake are kept.
func (d *Daemon) lakeRetention() map[table.Name]lake.Keep {
	d.mu.Lock()
	r := d.build.Config.Retention
	d.mu.Unlock()
	out := map[table.Name]lake.Keep{}
	for name, keep := range map[table.Name]struct {
		setting string
		keep    time.Duration
	}{
		table.Events: {"events", r.Events}, table.Items: {"versions", r.Versions}, table.Quarantines: {"quarantine", r.Quarantine},
		table.Deliveries: {"deliveries", r.Deliveries}, table.Alarms: {"alarms", r.Alarms},
	} {
		out[name] = lake.Keep{For: keep.keep, Setting: fmt.Sprintf("retention.%s = %q", keep.setting, keep.keep)}
	}
	return out
}

// export writes recorded rows for the API.
func (d *Daemon) export(ctx context.Context, o api.Export, w io.Writer) error {
	r := lake.Range{Since: o.Since, Until: o.Until, Received: o.Received}
	if o.Parquet {
		return d.lake.ExportParquet(ctx, o.Table, r, w)
	}
	return d.lake.ExportLines(ctx, o.Table, r, o.State, w)
}
