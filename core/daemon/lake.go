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
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// openLake opens the lake that the configuration names.
func (d *Daemon) openLake(cfg *config.Config) error {
	bucket, err := OpenBucket(&cfg.Lake)
	if err != nil {
		return err
	}
	cache, err := blob.Cache(bucket, filepath.Join(cfg.DataDir, "cache"), cfg.Lake.CacheBytes)
	if err != nil {
		return fmt.Errorf("open the lake: %w", err)
	}
	broken, err := d.lakeBroken()
	if err != nil {
		return err
	}
	d.lake, err = lake.Open(lake.Options{
		Store: d.store, Bucket: bucket, Cache: cache, Scratch: filepath.Join(cfg.DataDir, "scratch"), DrainEvery: cfg.Lake.DrainEvery,
		Log: d.log, Now: time.Now, Retention: d.lakeRetention, Health: d.lakeHealth(), Broken: broken.told, TellBroken: broken.tell,
	})
	return err
}

// metaLake holds since when the lake has been failing, where that was told.
const metaLake = "daemon/lake"

// lakeHealth returns what tells that the lake fails, and that it works again, each once, also where the
// daemon was started again between the two.
func (d *Daemon) lakeHealth() func(ctx context.Context, since time.Time, err error) error {
	var known, told bool
	return func(ctx context.Context, since time.Time, failure error) error {
		if !known {
			err := d.store.View(ctx, func(tx *store.Tx) error {
				b, err := tx.Meta(metaLake)
				told = len(b) > 0
				return err
			})
			if err != nil {
				return err
			}
			known = true
		}
		if told == (failure != nil) {
			return nil
		}
		ch := verdict.Change{
			Severity: verdict.High, Key: "lake", Title: "The lake takes nothing", Old: "OK", New: "FAILING", Active: true,
			Message: fmt.Sprintf("Since %s nothing could be moved from the journal to the lake: %v. What is recorded stays in the journal, which grows.", record.FormatTime(since), failure),
		}
		value := []byte(record.FormatTime(since))
		if failure == nil {
			ch.Old, ch.New, ch.Active, ch.Message = ch.New, ch.Old, false, "The lake takes what is recorded again."
			value = []byte{}
		}
		err := d.pipeline.Report(ctx, ch, func(tx *store.Tx) error { return tx.SetMeta(metaLake, value) })
		if err == nil {
			told = failure != nil
		}
		return err
	}
}

// lakeRetention says how long the tables of the lake are kept.
func (d *Daemon) lakeRetention() map[table.Name]lake.Keep {
	d.mu.Lock()
	r := d.build.Config.Retention
	d.mu.Unlock()
	out := map[table.Name]lake.Keep{}
	for _, name := range table.Names {
		keep, setting := r.Table(name)
		out[name] = lake.Keep{For: keep, Setting: setting}
	}
	return out
}

// OpenBucket opens the bucket or folder that holds the lake.
func OpenBucket(c *config.Lake) (blob.Bucket, error) {
	var b blob.Bucket
	var err error
	if c.S3 != nil {
		b, err = s3Bucket(c.S3)
	} else {
		b, err = blob.Folder(c.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the lake: %w", err)
	}
	return b, nil
}

func s3Bucket(s *config.S3) (*blob.S3Bucket, error) {
	return blob.S3(blob.Options{
		Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix, AccessKey: s.AccessKey.Reveal(),
		SecretKey: s.SecretKey.Reveal(), SessionToken: s.SessionToken.Reveal(), PathStyle: s.PathStyle, CAFile: s.CAFile, Insecure: s.Insecure, Timeout: s.Timeout,
	})
}

// export writes recorded rows for the API.
func (d *Daemon) export(ctx context.Context, o api.Export, w io.Writer) error {
	r := lake.Range{Since: o.Since, Until: o.Until, Received: o.Received}
	if o.Parquet {
		return d.lake.ExportParquet(ctx, o.Table, r, w)
	}
	return d.lake.ExportLines(ctx, o.Table, r, o.State, w)
}
