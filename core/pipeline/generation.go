package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Generation is what judging depends on. It is not changed after Swap.
type Generation struct {
	Number   int64
	Policies *policy.Set
	Waivers  *compliance.Waivers
	// NotifyMaxAge is the age beyond which a record changes state and is not notified.
	NotifyMaxAge time.Duration
	// Activity and Configuration say whether some route wants an event or a new version as a change
	// of its own; nil means none does. Without them every record would make a row that nobody reads.
	Activity      func(*record.Event) bool
	Configuration func(*record.Item) bool
}

// metaPolicies is where the policies of the generation in force are kept, by id, so that a restart
// judges again only what changed while the daemon was down.
const metaPolicies = "pipeline/policies"

// judgedPolicy is one entry of metaPolicies.
type judgedPolicy struct {
	Digest record.Digest `json:"digest"`
	Text   record.Digest `json:"text"`
}

// Swap puts a generation in force. What changed against the one before is written down as work in
// the same transaction; evaluations under way finish under the old one and are made again when they
// are committed.
func (p *Pipeline) Swap(ctx context.Context, g *Generation) error {
	old := p.generation.Load()
	err := p.store.Update(ctx, func(tx *store.Tx) error {
		if err := p.health.load(tx); err != nil {
			return err
		}
		before := map[verdict.PolicyID]judgedPolicy{}
		if err := getMeta(tx, metaPolicies, &before); err != nil {
			return err
		}
		crashes := map[string]int{}
		if err := getMeta(tx, metaCrashes, &crashes); err != nil {
			return err
		}
		// What took the daemon down is tried again once it is something else.
		release := func(id verdict.PolicyID) {
			p.health.release(id)
			maps.DeleteFunc(crashes, func(key string, _ int) bool { return strings.HasPrefix(key, string(id)+" ") })
		}
		after := map[verdict.PolicyID]judgedPolicy{}
		scan := scan{Policies: map[verdict.PolicyID]bool{}}
		for _, pol := range g.Policies.Policies() {
			now := judgedPolicy{Digest: pol.Digest, Text: pol.TextDigest}
			after[pol.ID] = now
			was, known := before[pol.ID]
			changed := !known || was.Digest != now.Digest
			if changed {
				release(pol.ID)
			}
			if pol.Kind != policy.KindCompliance {
				continue
			}
			switch {
			case changed:
				scan.Policies[pol.ID] = !known
			case was.Text != now.Text:
				if err := addTask(tx, task{Kind: taskTerms, Policy: pol.ID}); err != nil {
					return err
				}
			}
		}
		for id := range before {
			if _, kept := after[id]; !kept {
				release(id)
				if err := addTask(tx, task{Kind: taskRemoved, Policy: id}); err != nil {
					return err
				}
			}
		}
		if len(scan.Policies) > 0 {
			if err := addTask(tx, task{Kind: taskScan, Scan: &scan}); err != nil {
				return err
			}
		}
		if err := addTask(tx, task{Kind: taskWaivers}); err != nil {
			return err
		}
		if err := setMeta(tx, metaPolicies, after); err != nil {
			return err
		}
		if err := setMeta(tx, metaCrashes, crashes); err != nil {
			return err
		}
		// The pointer moves while the writer's lock is held: no batch judged by the old policies can
		// be committed after the work above was written down without being judged again.
		p.generation.Store(g)
		return nil
	})
	if err != nil {
		p.generation.Store(old)
		return fmt.Errorf("put generation %d in force: %w", g.Number, err)
	}
	p.health.policiesChanged(g)
	p.wake()
	return nil
}

func getMeta(tx *store.Tx, key string, to any) error {
	b, err := tx.Meta(key)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if b == nil {
		return nil
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

func setMeta(tx *store.Tx, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if err := tx.SetMeta(key, b); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}
