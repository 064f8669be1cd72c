package daemon

import (
	"context"
	"crypto/ed25519"
	"path/filepath"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/ledger"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// metaLedgerUnwell keeps that a failure of the ledger was told, so that its end is told after a restart.
const metaLedgerUnwell = "daemon/ledger-unwell"

// openLedger makes the ledger that writes the digests of the lake.
func (d *Daemon) openLedger(cfg *config.Config) error {
	read := ledger.ReadKey
	if cfg.Proof.Made {
		read = ledger.EnsureKey
	}
	current, err := read(cfg.Proof.KeyFile)
	if err != nil {
		return err
	}
	keys := ledger.Keys{Current: current}
	for _, file := range cfg.Proof.Previous {
		var key ed25519.PrivateKey
		if key, err = ledger.ReadKey(file); err != nil {
			return err
		}
		keys.Previous = append(keys.Previous, key)
	}
	bucket, err := OpenBucket(&cfg.Lake)
	if err != nil {
		return err
	}
	unwell := false
	err = d.store.View(context.Background(), func(tx *store.Tx) error {
		b, err := tx.Meta(metaLedgerUnwell)
		unwell = b != nil
		return err
	})
	if err != nil {
		return err
	}
	d.ledger, err = ledger.New(ledger.Options{
		Store: d.store, Bucket: bucket, Scratch: filepath.Join(cfg.DataDir, "ledger"), Log: d.log, Now: time.Now,
		Installation: strings.TrimPrefix(d.source, "regent://"), Keys: keys, Collectors: digestCollectors,
		Health: d.ledgerHealth, Unwell: unwell, Delivering: func() { d.deliver.Wake() },
		Anchor: func() ledger.Anchors {
			d.mu.Lock()
			defer d.mu.Unlock()
			return ledger.Anchors{Notify: d.build.Config.Proof.Anchor, Every: d.build.Config.Proof.Every}
		},
	})
	return err
}

// digestCollectors says what came from whom, and which gaps lasted between two times.
func digestCollectors(tx *store.Tx, from, to time.Time) ([]ledger.Collector, error) {
	totals, err := tx.Totals()
	if err != nil {
		return nil, err
	}
	gaps, err := tx.Gaps(from)
	if err != nil {
		return nil, err
	}
	of := map[record.Instance][]ledger.Gap{}
	for _, g := range gaps {
		if g.From.Before(to) {
			of[g.Instance] = append(of[g.Instance], ledger.Gap{From: g.From, To: g.To, Reason: g.Reason})
			if _, known := totals[g.Instance]; !known {
				totals[g.Instance] = store.Totals{}
			}
		}
	}
	out := make([]ledger.Collector, 0, len(totals))
	for inst, t := range totals {
		out = append(out, ledger.Collector{Instance: inst, Read: t.Read, Stored: t.Stored, Duplicate: t.Duplicate, Quarantined: t.Quarantined, Gaps: of[inst]})
	}
	return out, nil
}

// ledgerHealth tells when no digest can be written, and when one can again.
func (d *Daemon) ledgerHealth(ctx context.Context, failure error) {
	ch := verdict.Change{
		Severity: verdict.High, Key: "proof", Title: "No digest of the recorded history can be written",
		Message: "Digests are written again, and the next one covers the time without.", Old: "FAILING", New: "OK",
	}
	var unwell []byte
	if failure != nil {
		ch.Message, ch.Old, ch.New, ch.Active = failure.Error(), "OK", "FAILING", true
		unwell = []byte(ch.New)
	}
	also := func(tx *store.Tx) error { return tx.SetMeta(metaLedgerUnwell, unwell) }
	if err := d.pipeline.Report(context.WithoutCancel(ctx), ch, also); err != nil {
		d.log.Error("a change of health cannot be recorded", "health", ch.Message, "err", err)
	}
}
