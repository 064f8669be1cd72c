package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
)

// Kind says what is wrong.
type Kind string

// The kinds of problem.
const (
	// Damaged is a digest, or a manifest.json, that cannot be read as one.
	Damaged Kind = "damaged"
	// Missing is a file or digest that should be there.
	Missing Kind = "missing"
	// Changed is a file that is not what its digest says.
	Changed Kind = "changed"
	// Extra is a file that no digest names.
	Extra Kind = "extra"
	// Misplaced is a digest under another name than its own.
	Misplaced Kind = "misplaced"
	// Link is a digest that does not follow from the one before.
	Link Kind = "link"
	// Key is a digest whose key nobody vouches for.
	Key Kind = "key"
	// Anchored is a digest that is not what an anchor says.
	Anchored Kind = "anchor"
	// Truncated is a chain that ends before an anchor.
	Truncated Kind = "truncated"
	// Content is a digest or file whose content does not fit with what is said of it.
	Content Kind = "content"
	// Unreadable is what could not be read, for a reason that lies outside the lake's content.
	Unreadable Kind = "unreadable"
	// Clock is a clock that was set back.
	Clock Kind = "clock"
)

// Problem is something wrong, or worth knowing.
type Problem struct {
	Kind Kind `json:"kind"`
	// File is what it is about, below the lake's root.
	File string `json:"file,omitempty"`
	// Digest is the number of the digest that it is about, or that says what the file should be.
	Digest int64  `json:"digest,omitempty"`
	Text   string `json:"text"`
}

// VerifyOptions say what is verified.
type VerifyOptions struct {
	Bucket blob.Bucket
	// Since and Until choose the files that are read: those with records that came into the lake in the
	// hours between. The chain of digests is always verified whole. A zero time is no bound.
	Since, Until time.Time
	// PublicKeys are trusted. Without any the key of the first digest is.
	PublicKeys []ed25519.PublicKey
	Anchors    []Anchor
	// Settle is how long a daemon that works on the lake has to publish what it put there: where files are
	// missing or too many, and the manifest changes within it, the lake is looked at again. 0 is not at all.
	Settle time.Duration
	// Workers is how many files are read at once; 0 is 2.
	Workers int
	// Progress is called now and then, from one goroutine at a time. It may be nil.
	Progress func(Progress)
}

// Progress is how far a verification is.
type Progress struct {
	Digests, DigestsTotal int64
	Files, FilesTotal     int64
	Bytes, BytesTotal     int64
}

// Loss is a file that was given up.
type Loss struct {
	Path string    `json:"path"`
	Rows int64     `json:"rows"`
	At   time.Time `json:"at"`
	// By says who gave it up and why.
	By string `json:"by"`
}

// Report is what a verification found.
type Report struct {
	Lake string `json:"lake"`
	// Digests were verified, which cover Hours, MadeUp of them while no digest could be written.
	Digests int64     `json:"digests"`
	Hours   int64     `json:"hours"`
	MadeUp  int64     `json:"madeUpHours"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	// Files, Rows and Bytes were read and are what their digests say; of them Checkpoints files hold states.
	Files       int64 `json:"files"`
	Rows        int64 `json:"rows"`
	Bytes       int64 `json:"bytes"`
	Checkpoints int64 `json:"checkpoints"`
	// Replaced counts the files that were replaced by compaction and whose records were found again, in
	// their order, among those of the files that are there.
	Replaced int64 `json:"replacedProven"`
	// Skipped counts files that are there and were not chosen to be read.
	Skipped int64 `json:"filesNotChosen"`
	// Expired counts files that retention removed.
	Expired int64 `json:"filesExpired"`
	// Lost are the files that were lost or damaged and were given up by somebody: no fault of the chain, and
	// records that nobody can ask for any more.
	Lost []Loss `json:"givenUp,omitempty"`
	// Live is what should be in the lake.
	Live Live `json:"live"`
	// Keys are those that signed, TrustedFirst says that the first was trusted because none was given.
	Keys         []string `json:"keys"`
	TrustedFirst bool     `json:"trustedFirstKey"`
	// Last is the last digest: kept elsewhere, it is an anchor.
	Last *Anchor `json:"last,omitempty"`
	// Anchors are those that the chain was found to hold.
	Anchors []Anchor `json:"anchors,omitempty"`
	// Pending are files that the published manifest has and no digest yet.
	Pending []string `json:"notYetInADigest,omitempty"`
	// Leftover counts files that went out of the manifest and are still there.
	Leftover int64     `json:"notYetRemoved"`
	Problems []Problem `json:"problems"`
	// Notes are what is worth knowing and is no problem.
	Notes []Problem `json:"notes,omitempty"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// ErrNoDigests says that there is nothing to verify by.
var ErrNoDigests = errors.New("there are no digests")

// verification is one run of Verify.
type verification struct {
	o      VerifyOptions
	report *Report
	// disk are the files of tables that are there, with their bytes; leftover those of them that were
	// removed from the manifest.
	disk     map[string]int64
	leftover map[string]bool
	digests  []*found
	live     *lakeState
	// change is the last change of the manifest that was published.
	change   int64
	progress Progress
}

// Verify verifies a lake by what lies in its bucket and nothing else. An error says that it could not be
// done; what is wrong with the lake stands in the report.
func Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	for try := 1; ; try++ {
		v, err := verify(ctx, o)
		if err != nil {
			return nil, err
		}
		moving := slices.ContainsFunc(v.report.Problems, func(p Problem) bool { return p.Kind == Extra || p.Kind == Missing })
		if !moving || o.Settle <= 0 || try == mostLooks {
			return v.report, nil
		}
		select {
		case <-time.After(o.Settle):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// What it says of the manifest is in the report already.
		again, err := (&verification{o: o, report: &Report{}, live: v.live}).published(ctx)
		if err != nil || again.Change == v.change {
			return v.report, err
		}
	}
}

// mostLooks is how often a lake is looked at that changes meanwhile.
const mostLooks = 3

func verify(ctx context.Context, o VerifyOptions) (*verification, error) {
	v := &verification{
		o: o, report: &Report{Lake: o.Bucket.String(), Problems: []Problem{}, Keys: []string{}},
		disk: map[string]int64{}, leftover: map[string]bool{}, live: newLakeState(),
	}
	if err := v.list(ctx); err != nil {
		return nil, err
	}
	if len(v.digests) == 0 && len(o.Anchors) == 0 {
		return nil, fmt.Errorf("verify %s: %w in %s/; the daemon writes the first one when it starts", o.Bucket, ErrNoDigests, Folder)
	}
	if err := v.index(ctx); err != nil {
		return nil, err
	}
	if err := v.walk(ctx); err != nil {
		return nil, err
	}
	if err := v.compare(ctx); err != nil {
		return nil, err
	}
	if err := v.read(ctx); err != nil {
		return nil, err
	}
	if err := v.settle(ctx); err != nil {
		return nil, err
	}
	order := func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Text, b.Text))
	}
	slices.SortFunc(v.report.Problems, order)
	slices.SortFunc(v.report.Notes, order)
	slices.Sort(v.report.Pending)
	return v, nil
}

func (v *verification) problem(kind Kind, file string, digest int64, format string, args ...any) {
	v.report.Problems = append(v.report.Problems, Problem{kind, file, digest, fmt.Sprintf(format, args...)})
}

func (v *verification) note(kind Kind, file string, digest int64, format string, args ...any) {
	v.report.Notes = append(v.report.Notes, Problem{kind, file, digest, fmt.Sprintf(format, args...)})
}

const manifestFile = "manifest.json"

// list looks what there is.
func (v *verification) list(ctx context.Context) error {
	err := v.o.Bucket.List(ctx, "", func(i blob.Info) error {
		top, _, nested := strings.Cut(i.Key, "/")
		switch {
		case nested && top == Folder:
			v.digests = append(v.digests, &found{key: i.Key})
		case strings.HasSuffix(i.Key, ".parquet"), nested && slices.Contains(table.Names[:], table.Name(top)):
			v.disk[i.Key] = i.Bytes
		case i.Key != manifestFile:
			v.note(Extra, i.Key, 0, "it is no file of the lake")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", v.o.Bucket, err)
	}
	return nil
}

// published is what the lake publishes of its manifest.
type published struct {
	Change  int64           `json:"change"`
	Files   []manifest.File `json:"files"`
	Leaving []string        `json:"leaving"`
}

// compare holds what is there against what should be.
func (v *verification) compare(ctx context.Context) error {
	for _, path := range v.live.paths() {
		e := v.live.files[path]
		if _, there := v.disk[path]; !there {
			e.gone = true
			if v.live.broken > e.digest {
				v.note(Missing, path, e.digest, "it is not there; a digest that is damaged or missing may have removed it")
				continue
			}
			v.problem(Missing, path, e.digest, "it is not there; digest %d added it and none removed it", e.digest)
		}
	}
	pub, err := v.published(ctx)
	if err != nil {
		return err
	}
	v.change = pub.Change
	listed := map[string]*manifest.File{}
	for i := range pub.Files {
		f := &pub.Files[i]
		listed[f.Path] = f
		if e := v.live.files[f.Path]; e != nil && !sameFile(f, &e.File) {
			v.problem(Changed, manifestFile, e.digest, "of %s it says something else than digest %d", f.Path, e.digest)
		}
	}
	leaving := map[string]bool{}
	for _, path := range pub.Leaving {
		leaving[path] = pub.Change > v.live.lastChange
	}
	for path := range v.disk {
		f := listed[path]
		switch {
		case v.live.files[path] != nil:
		case v.leftover[path] && f == nil:
			v.report.Leftover++
		case f != nil && (pub.Change > v.live.lastChange || v.live.broken > 0):
			v.report.Pending = append(v.report.Pending, path)
			v.live.pending = append(v.live.pending, &entry{File: *f})
		case leaving[path]:
			// It came and went since the last digest, or the manifest says so: nothing rests on it.
			v.report.Leftover++
		case v.live.broken > 0:
			v.note(Extra, path, 0, "no digest that can be read names it; one that is damaged or missing may have")
		default:
			v.problem(Extra, path, 0, "no digest names it, and the manifest does not have it as one that came since")
		}
	}
	if pub.Change > v.live.lastChange || v.live.broken > 0 {
		for path := range listed {
			if _, there := v.disk[path]; !there && v.live.files[path] == nil {
				v.problem(Missing, path, 0, "it is not there; the manifest has it as one that came since the last digest that can be read")
			}
		}
		return nil
	}
	if pub.Change < v.live.lastChange {
		// The daemon ended between a change and its publication, or there is no manifest.
		return nil
	}
	for path := range listed {
		if v.live.files[path] == nil {
			v.problem(Changed, manifestFile, 0, "it lists %s, which is not in the lake", path)
		}
	}
	for _, path := range v.live.paths() {
		if listed[path] == nil {
			v.problem(Changed, manifestFile, v.live.files[path].digest, "it does not list %s", path)
		}
	}
	return nil
}

// sameFile compares what two say of a file.
func sameFile(a, b *manifest.File) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// published reads manifest.json. It is not signed: it only says which files came after the last digest.
func (v *verification) published(ctx context.Context) (published, error) {
	none := published{Change: -1}
	b, err := v.fetch(ctx, manifestFile, maxDigest)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		if v.live.lastChange > 0 {
			v.problem(Missing, manifestFile, 0, "it is not there; without it nobody knows which files came since the last digest. The daemon writes it anew with the next change")
		}
		return none, nil
	case ctx.Err() != nil:
		return none, ctx.Err()
	case err != nil:
		v.problem(Unreadable, manifestFile, 0, "%v", err)
		return none, nil
	}
	var p published
	if err := json.Unmarshal(b, &p); err != nil {
		v.problem(Damaged, manifestFile, 0, "it cannot be read: %v. The daemon writes it anew with the next change", err)
		return none, nil
	}
	return p, nil
}

// fetch reads a whole object of at most so many bytes.
func (v *verification) fetch(ctx context.Context, key string, most int64) ([]byte, error) {
	o, err := v.o.Bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() > most {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", key, o.Size(), most)
	}
	b := make([]byte, o.Size())
	if n, err := o.ReadAt(b, 0); err != nil && (!errors.Is(err, io.EOF) || n < len(b)) {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return b, nil
}

// settle takes back what was found missing because the daemon compacted or expired it while the lake was
// being read: then a digest has come since that says so.
func (v *verification) settle(ctx context.Context) error {
	if !slices.ContainsFunc(v.report.Problems, func(p Problem) bool { return p.Kind == Missing && strings.HasSuffix(p.File, ".parquet") }) || v.live.last == nil {
		return nil
	}
	known := map[string]bool{}
	for _, f := range v.digests {
		known[f.key] = true
	}
	var fresh []string
	err := v.o.Bucket.List(ctx, Folder+"/", func(i blob.Info) error {
		if !known[i.Key] {
			fresh = append(fresh, i.Key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", v.o.Bucket, err)
	}
	removed := map[string]bool{}
	previous, key := v.live.last.hash, v.live.last.public
	for _, name := range fresh {
		b, err := v.fetch(ctx, name, maxDigest)
		if err != nil {
			return fmt.Errorf("verify %s: %w", v.o.Bucket, err)
		}
		d, err := open(b)
		if err != nil || d.Previous == nil || *d.Previous != previous || string(d.PublicKey) != key {
			// It is no continuation; the next verification says what it is.
			break
		}
		previous = record.Sum(b)
		for _, c := range d.Changes {
			for _, f := range c.Removed {
				removed[f.Path] = true
			}
		}
	}
	v.report.Problems = slices.DeleteFunc(v.report.Problems, func(p Problem) bool { return p.Kind == Missing && removed[p.File] })
	return nil
}
