package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/daemon"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/ledger"
	"github.com/regent-dev/regent/core/record"
)

// proofRows show how far the digests are.
func proofRows(s ledger.State, row func(...any)) {
	if s.Failing != "" {
		row("NO PROOF", fmt.Sprintf("no digest can be written since %s: %s", short(s.Since), s.Failing))
	}
	if s.Last == nil {
		return
	}
	text := fmt.Sprintf("last digest %d up to %s, key %s", s.Last.Number, short(s.Last.To), s.Last.KeyID)
	if s.Anchored != nil {
		text += fmt.Sprintf("; digest %d sent %s", s.Anchored.Number, short(s.AnchoredAt))
	}
	row("proof", text)
}

// verifyFlags are the flags of verify.
type verifyFlags struct {
	lake, since, until string
	publicKeys         []string
	anchors            []string
	cfg                configFlags
}

func newVerify(c *client) *cobra.Command {
	var f verifyFlags
	var v verdictFlags
	var p printer
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that the recorded history is as it was recorded", GroupID: "ask", Args: cobra.MaximumNArgs(2),
		Long: `Verifies the lake by its digests: that none was changed, replaced or left out, that every file that they
list is there with its rows, and that what was compacted still holds every record. It reads the folder or
bucket alone and needs neither the daemon nor its data, so it can be run elsewhere over a copy.

--public-key says whose digests are trusted; without it the key of the first digest is, which shows damage
and not a history that was made up as a whole. --anchor takes what proof.anchor sent, or NUMBER:SHA256, and
finds a history that was rewritten or cut off at its end.

With --verdict the daemon makes a verdict again, from the policy, the parameters and the resources as they
were when it was made, and compares. It takes the id of a finding, or a policy and the resource after it.

The exit code is 1 where something is wrong, or a verdict cannot be made again.`,
		Example: "  regent verify --lake /var/lib/regent/lake --public-key proof.key.pub\n  regent verify --config /etc/regent --since 720h --anchor anchors.json -o json\n  regent verify --verdict compliance.linux.ssh_root_login bastion-1",
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.verdict != "" {
				return v.run(cmd, c, args, &p)
			}
			if len(args) > 0 {
				return usage("%q: only --verdict takes a resource", args[0])
			}
			bucket, err := f.bucket(cmd, c)
			if err != nil {
				return err
			}
			o, err := f.options()
			if err != nil {
				return err
			}
			o.Bucket = bucket
			if w := cmd.ErrOrStderr(); terminal(w) {
				o.Progress = showProgress(w)
				defer fmt.Fprint(w, "\r\x1b[K")
			}
			rep, err := ledger.Verify(cmd.Context(), o)
			switch {
			case errors.Is(err, context.Canceled):
				return &exit{exitUsage, errors.New("interrupted; nothing was found out")}
			case err != nil:
				return &exit{exitUsage, err}
			}
			if p.output == "table" {
				err = writeVerified(cmd.OutOrStdout(), rep)
			} else {
				err = p.print(cmd.OutOrStdout(), rep, "", nil)
			}
			if err == nil && !rep.OK() {
				return &exit{exitFindings, nil}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&f.lake, "lake", "", "the folder that holds the lake (default: lake in the data folder)")
	f.cfg.add(cmd)
	cmd.Flags().Lookup("config").DefValue, f.cfg.path = "", ""
	cmd.Flags().Lookup("config").Usage = "take the lake's place from a configuration, for one in a bucket"
	cmd.Flags().StringVar(&f.since, "since", "", "read only files with what came into the lake since: a time, or how long ago (720h)")
	cmd.Flags().StringVar(&f.until, "until", "", "read only files with what came into the lake before: a time, or how long ago")
	cmd.Flags().StringArrayVar(&f.publicKeys, "public-key", nil, "file of a public key to trust (may be repeated)")
	cmd.Flags().StringArrayVar(&f.anchors, "anchor", nil, "what was kept of a digest: NUMBER:SHA256, or a file of notifications (may be repeated)")
	v.add(cmd)
	p.add(cmd)
	return cmd
}

// bucket opens the lake for reading.
func (f *verifyFlags) bucket(cmd *cobra.Command, c *client) (blob.Bucket, error) {
	place := config.Lake{Path: f.lake}
	switch {
	case f.lake != "" && f.cfg.path != "":
		return nil, usage("--lake and --config both say where the lake is; give one of them")
	case f.cfg.path != "":
		vars, err := f.cfg.variables()
		if err != nil {
			return nil, err
		}
		cfg, problems, sources := config.Load(f.cfg.path, config.Options{Vars: vars})
		if problems.HasErrors() {
			if err := diag.WriteText(cmd.ErrOrStderr(), problems, sources, colored(cmd.ErrOrStderr())); err != nil {
				return nil, err
			}
			return nil, &exit{exitUsage, nil}
		}
		place = cfg.Lake
	case f.lake == "":
		dir := c.dataDir
		if dir == "" {
			dir = "/var/lib/regent"
		}
		place.Path = filepath.Join(dir, "lake")
	}
	if place.S3 == nil {
		// Opening a folder makes it where it is not there, and whoever verifies wants to hear that.
		if info, err := os.Stat(place.Path); err != nil || !info.IsDir() {
			return nil, usage("there is no folder %s; --lake or --config says where the lake is", place.Path)
		}
	}
	b, err := daemon.OpenBucket(&place)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	return b, nil
}

// settle is how long a daemon takes at most from putting a file into the lake to publishing that it is there.
const settle = time.Second

func (f *verifyFlags) options() (o ledger.VerifyOptions, err error) {
	o.Settle = settle
	if o.Since, err = pastTime("since", f.since); err != nil {
		return o, err
	}
	if o.Until, err = pastTime("until", f.until); err != nil {
		return o, err
	}
	if !o.Since.IsZero() && !o.Until.IsZero() && !o.Since.Before(o.Until) {
		return o, usage("--since %s is not before --until %s", f.since, f.until)
	}
	for _, file := range f.publicKeys {
		keys, err := ledger.ReadPublicKeys(file)
		if err != nil {
			return o, &exit{exitUsage, err}
		}
		o.PublicKeys = append(o.PublicKeys, keys...)
	}
	for _, s := range f.anchors {
		anchors, err := ledger.ReadAnchors(s)
		if err != nil {
			return o, &exit{exitUsage, err}
		}
		o.Anchors = append(o.Anchors, anchors...)
	}
	return o, nil
}

// pastTime reads a time, or how long ago it was.
func pastTime(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := config.ParseDuration(s); err == nil {
		return time.Now().UTC().Add(-d), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := record.ParseTime(s)
	if err != nil {
		return t, usage("--%s %s: a time such as 2026-11-23 or 2026-11-23T14:00:00Z, or how long ago, such as 36h, is wanted", name, s)
	}
	return t, nil
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// showProgress writes one line over and over.
func showProgress(w io.Writer) func(ledger.Progress) {
	var last time.Time
	return func(p ledger.Progress) {
		if time.Since(last) < 200*time.Millisecond {
			return
		}
		last = time.Now()
		if p.FilesTotal == 0 {
			fmt.Fprintf(w, "\r\x1b[K%d of %d digests", p.Digests, p.DigestsTotal)
			return
		}
		fmt.Fprintf(w, "\r\x1b[K%d of %d files, %.0f of %.0f MiB", p.Files, p.FilesTotal, float64(p.Bytes)/(1<<20), float64(p.BytesTotal)/(1<<20))
	}
}

// writeVerified writes a report for people.
func writeVerified(w io.Writer, r *ledger.Report) error {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%s: %s: %s\n", strings.ToUpper(string(p.Kind)), oneLine(p.File), oneLine(p.Text))
	}
	for _, p := range r.Notes {
		fmt.Fprintf(w, "note: %s: %s\n", oneLine(p.File), oneLine(p.Text))
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("lake", "%s", r.Lake)
	if r.Last != nil {
		row("digests", "%d from %s to %s, %d hours", r.Digests, short(r.From), short(r.To), r.Hours)
		if r.MadeUp > 0 {
			row("", "%d hours without a digest of their own, as the daemon did not run", r.MadeUp)
		}
	}
	row("files", "%d verified with %d rows and %d bytes", r.Files, r.Rows, r.Bytes)
	if r.Replaced > 0 {
		row("compacted", "all records of %d replaced files were found again", r.Replaced)
	}
	if r.Expired > 0 {
		row("expired", "%d files, by retention", r.Expired)
	}
	for _, f := range r.Lost {
		row("given up", "%s with %d rows, %s: %s", f.Path, f.Rows, short(f.At), f.By)
	}
	if r.Skipped > 0 {
		row("not chosen", "%d files", r.Skipped)
	}
	if len(r.Pending) > 0 {
		row("not in a digest yet", "%d files, which are what the published manifest says", len(r.Pending))
	}
	if r.Leftover > 0 {
		row("to be removed", "%d files that were replaced or expired", r.Leftover)
	}
	for _, a := range r.Anchors {
		row("anchor", "digest %d is what was kept of it", a.Number)
	}
	trust := "trusted"
	if r.TrustedFirst {
		trust = "trusted because it is the first one's; --public-key says whose digests to trust"
	}
	row("keys", "%s (%s)", strings.Join(r.Keys, ", "), trust)
	if r.Last != nil {
		row("last digest", "%s", *r.Last)
	}
	if r.OK() {
		row("result", "nothing is wrong")
	} else {
		row("result", "%d problems", len(r.Problems))
	}
	return t.Flush()
}
