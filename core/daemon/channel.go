package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/channel"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// channelDir is where files lie that are on their way to a bucket.
func channelDir(dataDir string) string { return filepath.Join(dataDir, "channels") }

// bucketOf returns the bucket of a destination. It is opened when the first file is put there: a check of the
// configuration touches nothing, and a bucket that is down at the start is tried until it works, as at any
// other time.
func bucketOf(d config.Destination) (blob.Bucket, error) {
	if d.S3 != nil {
		return &lazyBucket{name: "s3://" + d.S3.Bucket + "/" + d.S3.Prefix, open: func() (blob.Bucket, error) { return s3Bucket(d.S3) }}, nil
	}
	return &lazyBucket{name: d.To, open: func() (blob.Bucket, error) { return blob.Folder(d.To) }}, nil
}

// lazyBucket is a bucket that is opened when it is first used, and again where that failed.
type lazyBucket struct {
	name string
	open func() (blob.Bucket, error)

	mu     sync.Mutex
	opened blob.Bucket
}

// String implements blob.Bucket.
func (l *lazyBucket) String() string { return l.name }

func (l *lazyBucket) bucket() (blob.Bucket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		b, err := l.open()
		if err != nil {
			return nil, err
		}
		l.opened = b
	}
	return l.opened, nil
}

// Put implements blob.Bucket.
func (l *lazyBucket) Put(ctx context.Context, key, file string) error {
	b, err := l.bucket()
	if err != nil {
		return err
	}
	return b.Put(ctx, key, file)
}

// Open implements blob.Bucket.
func (l *lazyBucket) Open(ctx context.Context, key string) (blob.Object, error) {
	b, err := l.bucket()
	if err != nil {
		return nil, err
	}
	return b.Open(ctx, key)
}

// Delete implements blob.Bucket.
func (l *lazyBucket) Delete(ctx context.Context, key string) error {
	b, err := l.bucket()
	if err != nil {
		return err
	}
	return b.Delete(ctx, key)
}

// List implements blob.Bucket.
func (l *lazyBucket) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	b, err := l.bucket()
	if err != nil {
		return err
	}
	return b.List(ctx, prefix, fn)
}

// channels makes of the configuration what the channels are run by.
func (b *Build) channels() {
	for _, s := range b.Config.Snapshots {
		where := s.Where
		bucket, err := bucketOf(s.Destination)
		if err != nil {
			b.Problems.Errorf(&where, "Bucket not usable", "snapshot %q: %v.", s.Name, err)
			continue
		}
		match, err := channel.NewMatch(channel.Patterns{Type: s.Types, Account: s.Accounts})
		if err != nil {
			b.Problems.Errorf(&where, "Invalid snapshot", "%v.", err)
			continue
		}
		spec := channel.Spec{Kind: channel.Snapshot, Name: s.Name, Every: s.Every, Bucket: bucket, Prefix: s.Destination.Prefix, Notify: s.Notify, Match: match}
		b.Channels = append(b.Channels, spec)
		spec.Kind, spec.Every = channel.History, s.HistoryEvery
		b.Channels = append(b.Channels, spec)
	}
	for _, t := range b.Config.Trails {
		where := t.Where
		bucket, err := bucketOf(t.Destination)
		if err != nil {
			b.Problems.Errorf(&where, "Bucket not usable", "trail %q: %v.", t.Name, err)
			continue
		}
		m := t.Match
		match, err := channel.NewMatch(channel.Patterns{Source: m.Source, Account: m.Account, Action: m.Action, Outcome: m.Outcome, Type: m.ResourceType})
		if err != nil {
			b.Problems.Errorf(&where, "Invalid trail", "%v.", err)
			continue
		}
		b.Channels = append(b.Channels, channel.Spec{Kind: channel.Trail, Name: t.Name, Every: t.Every, Bucket: bucket, Prefix: t.Destination.Prefix, Notify: t.Notify, Match: match})
	}
}

// newChannels makes the manager of snapshots and trails.
func (d *Daemon) newChannels(dataDir string) *channel.Manager {
	return channel.New(channel.Options{
		Store: d.store, Events: d.lake, Log: d.log, Now: time.Now, Source: d.source, Dir: channelDir(dataDir),
		Health: d.channelHealth, Delivering: func() { d.deliver.Wake() },
	})
}

// channelHealth tells that files of a channel cannot be delivered, or that they can again.
func (d *Daemon) channelHealth(ctx context.Context, name string, wrong bool, message string, also func(*store.Tx) error) error {
	ch := verdict.Change{
		Severity: verdict.High, Key: "channel/" + name, Title: "A snapshot or trail cannot be delivered", Message: name + ": " + message,
		Old: "OK", New: "FAILING", Active: wrong,
	}
	if !wrong {
		ch.Old, ch.New = ch.New, ch.Old
	}
	return d.pipeline.Report(ctx, ch, also)
}

// snapshot takes a snapshot now.
func (d *Daemon) snapshot(ctx context.Context, name string) ([]api.ChannelFile, error) {
	files, err := d.channel.Take(ctx, name)
	if errors.Is(err, channel.ErrUnknown) {
		return nil, fmt.Errorf("snapshot %s: %w", name, api.ErrUnknown)
	}
	out := make([]api.ChannelFile, 0, len(files))
	for _, f := range files {
		out = append(out, channelFile(f))
	}
	return out, err
}

func channelFile(f channel.File) api.ChannelFile {
	return api.ChannelFile{
		Bucket: f.Bucket, Key: f.Key, Bytes: f.Bytes, SHA256: f.SHA256, Count: f.Count, Account: f.Account, Region: f.Region,
		Type: f.Type, ID: f.ID, From: f.From, To: f.To, At: f.At,
	}
}

// channelStatus tells how far the snapshots and trails are.
func (d *Daemon) channelStatus(ctx context.Context) ([]api.Channel, error) {
	all, err := d.channel.Status(ctx)
	out := make([]api.Channel, 0, len(all))
	for _, s := range all {
		c := api.Channel{
			Kind: string(s.Kind), Name: s.Name, To: s.To, Due: s.Due, Files: s.Files, Records: s.Records, Lost: s.Lost, Waiting: s.Waiting,
			FailingSince: s.Failing, Failure: s.Failure,
		}
		if s.Last != nil {
			f := channelFile(*s.Last)
			c.Last = &f
		}
		out = append(out, c)
	}
	return out, err
}
