package store

import (
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// ItemWrite is an item to be stored.
type ItemWrite struct {
	Item     record.Item
	Instance record.Instance
	Received time.Time
	// Batch is the journal row it came with, 0 for one that the daemon made.
	Batch int64
}

// ItemKind says what became of an item.
type ItemKind uint8

// What PutItem makes of an item.
const (
	// ItemNew is the first version of a resource.
	ItemNew ItemKind = iota + 1
	// ItemChanged is a new current version.
	ItemChanged
	// ItemUnchanged says nothing new: it only confirms a version.
	ItemUnchanged
	// ItemLate was captured before the current version and entered history only.
	ItemLate
)

// ItemResult is what became of an item.
type ItemResult struct {
	Kind     ItemKind
	Resource int64
	// Version is the new version's number, or the number of the version that was confirmed.
	Version int64
	// Before is the version that was current until now; set for ItemChanged.
	Before *Current
}

// PutItem stores an item. The greatest by (capture time, receive order) is current; an older one
// enters history only, and one that says nothing new makes no version.
func (tx *Tx) PutItem(w ItemWrite) (ItemResult, error) {
	k := w.Item.Key
	var h Head
	var hash []byte
	var confirmed int64
	known, err := tx.one(`SELECT r.id, r.version, r.hash, c.captured FROM resources r JOIN confirmed c ON c.resource = r.id
		WHERE r.resource_type = ? AND r.resource_id = ? AND r.account = ? AND r.region = ?`,
		[]any{k.ResourceType, k.ResourceID, k.AccountID, k.Region}, &h.Resource, &h.Version, &hash, &confirmed)
	if err != nil {
		return ItemResult{}, fmt.Errorf("look for %s: %w", k, err)
	}
	if !known {
		return tx.newResource(w)
	}
	copy(h.Hash[:], hash)
	captured := micros(w.Item.CaptureTime)
	switch {
	case captured < confirmed:
		return tx.putLate(w, h, confirmed)
	case w.Item.Hash != h.Hash:
		return tx.putChanged(w, h, confirmed)
	case captured > confirmed:
		err = tx.run(`UPDATE confirmed SET captured = ? WHERE resource = ?`, captured, h.Resource)
	}
	return ItemResult{Kind: ItemUnchanged, Resource: h.Resource, Version: h.Version}, err
}

// newResource stores the first version of a resource.
func (tx *Tx) newResource(w ItemWrite) (ItemResult, error) {
	it := &w.Item
	resource, err := tx.nextID("resources", "id")
	if err != nil {
		return ItemResult{}, err
	}
	number, err := tx.nextID("versions", "number")
	if err != nil {
		return ItemResult{}, err
	}
	err = tx.run(`INSERT INTO resources (id, account, region, resource_type, resource_id, name, arn, status, version, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		resource, it.AccountID, it.Region, it.ResourceType, it.ResourceID, it.ResourceName, it.ARN, string(it.Status), number, it.Hash[:])
	if err != nil {
		return ItemResult{}, fmt.Errorf("write resource %s: %w", it.Key, err)
	}
	captured := micros(it.CaptureTime)
	if err := tx.insertVersion(number, resource, captured, 0, w); err != nil {
		return ItemResult{}, err
	}
	if err := tx.run(`INSERT INTO confirmed (resource, captured) VALUES (?, ?)`, resource, captured); err != nil {
		return ItemResult{}, err
	}
	return ItemResult{Kind: ItemNew, Resource: resource, Version: number}, tx.relate(resource, nil, it.Relationships)
}

// putChanged stores a new current version.
func (tx *Tx) putChanged(w ItemWrite, h Head, confirmed int64) (ItemResult, error) {
	it := &w.Item
	before, err := tx.CurrentByID(h.Resource)
	if err != nil {
		return ItemResult{}, err
	}
	number, err := tx.nextID("versions", "number")
	if err != nil {
		return ItemResult{}, err
	}
	captured := micros(it.CaptureTime)
	if err := tx.insertVersion(number, h.Resource, captured, confirmed, w); err != nil {
		return ItemResult{}, err
	}
	if err := tx.makeCurrent(h.Resource, number, it); err != nil {
		return ItemResult{}, err
	}
	if captured != confirmed {
		if err := tx.run(`UPDATE confirmed SET captured = ? WHERE resource = ?`, captured, h.Resource); err != nil {
			return ItemResult{}, err
		}
	}
	res := ItemResult{Kind: ItemChanged, Resource: h.Resource, Version: number, Before: before}
	return res, tx.relate(h.Resource, before.Item.Relationships, it.Relationships)
}

func (tx *Tx) makeCurrent(resource, number int64, it *record.Item) error {
	err := tx.run(`UPDATE resources SET name = ?, arn = ?, status = ?, version = ?, hash = ? WHERE id = ?`,
		it.ResourceName, it.ARN, string(it.Status), number, it.Hash[:], resource)
	if err != nil {
		return fmt.Errorf("write resource %s: %w", it.Key, err)
	}
	return nil
}

func (tx *Tx) insertVersion(number, resource, captured, prior int64, w ItemWrite) error {
	body, err := tx.pack("item "+w.Item.ResourceType, w.Item.Body)
	if err != nil {
		return err
	}
	err = tx.run(`INSERT INTO versions (number, resource, captured, received, prior, instance, batch, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		number, resource, captured, micros(w.Received), prior, string(w.Instance), w.Batch, w.Item.Hash[:], body)
	if err != nil {
		return fmt.Errorf("write version of %s: %w", w.Item.Key, err)
	}
	return nil
}

// putLate stores an item that was captured before the current version was last confirmed. The version
// in force at its time may have been in force again after it: then history says so by a further
// version with that content, so that what was in force when can be read from the order alone. The
// confirmations between are not kept; the last of them is when the content is known to be back.
func (tx *Tx) putLate(w ItemWrite, h Head, confirmed int64) (ItemResult, error) {
	captured := micros(w.Item.CaptureTime)
	res := ItemResult{Kind: ItemLate, Resource: h.Resource}
	var at, atCaptured int64
	var atHash []byte
	before, err := tx.one(`SELECT number, captured, hash FROM versions WHERE resource = ? AND captured <= ? ORDER BY captured DESC, number DESC LIMIT 1`,
		[]any{h.Resource, captured}, &at, &atCaptured, &atHash)
	if err != nil {
		return res, err
	}
	var next, nextCaptured, prior int64
	behind, err := tx.one(`SELECT number, captured, prior FROM versions WHERE resource = ? AND captured > ? ORDER BY captured, number LIMIT 1`,
		[]any{h.Resource, captured}, &next, &nextCaptured, &prior)
	if err != nil {
		return res, err
	}
	// lastKnown is until when the version in force at the item's time is known to have been.
	lastKnown := max(prior, atCaptured)
	if !behind {
		lastKnown = confirmed
	}
	if before && slices.Equal(atHash, w.Item.Hash[:]) {
		res.Kind, res.Version = ItemUnchanged, at
		if captured > lastKnown {
			err = tx.run(`UPDATE versions SET prior = ? WHERE number = ?`, captured, next)
		}
		return res, err
	}
	if res.Version, err = tx.nextID("versions", "number"); err != nil {
		return res, err
	}
	known := lastKnown
	if !before {
		known = 0
	} else if known > captured {
		known = atCaptured
	}
	if err := tx.insertVersion(res.Version, h.Resource, captured, known, w); err != nil {
		return res, err
	}
	switch {
	case !before || lastKnown <= captured:
		return res, nil
	case behind && lastKnown == nextCaptured:
		// It was back for no time at all: the next version is of the same moment.
		return res, tx.run(`UPDATE versions SET prior = ? WHERE number = ?`, captured, next)
	}
	return res, tx.restate(at, lastKnown, captured, !behind)
}

// restate writes a version again, as captured at a later time, behind a late one at the time of prior.
func (tx *Tx) restate(version, captured, prior int64, current bool) error {
	v, err := tx.Version(version)
	if err != nil {
		return err
	}
	number, err := tx.nextID("versions", "number")
	if err != nil {
		return err
	}
	w := ItemWrite{Item: v.Item, Instance: v.Instance, Received: v.Received}
	if err := tx.insertVersion(number, v.Resource, captured, prior, w); err != nil {
		return err
	}
	if !current {
		return nil
	}
	return tx.makeCurrent(v.Resource, number, &v.Item)
}
