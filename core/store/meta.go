package store

import (
	"fmt"

	"github.com/regent-dev/regent/core/record"
)

// Meta returns a named value, nil where there is none.
func (tx *Tx) Meta(name string) ([]byte, error) {
	var b []byte
	ok, err := tx.one(`SELECT value FROM meta WHERE name = ?`, []any{name}, &b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if ok && b == nil {
		b = []byte{}
	}
	return b, nil
}

// SetMeta writes a named value; nil removes it.
func (tx *Tx) SetMeta(name string, value []byte) error {
	var err error
	if value == nil {
		err = tx.run(`DELETE FROM meta WHERE name = ?`, name)
	} else {
		err = tx.run(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Cursor returns the cursor of an instance's last committed checkpoint, nil where there is none.
func (tx *Tx) Cursor(inst record.Instance) ([]byte, error) {
	var b []byte
	ok, err := tx.one(`SELECT bytes FROM cursors WHERE instance = ?`, []any{string(inst)}, &b)
	if err != nil {
		return nil, fmt.Errorf("read cursor of %s: %w", inst, err)
	}
	if ok && b == nil {
		b = []byte{}
	}
	return b, nil
}

// SetCursor writes an instance's cursor.
func (tx *Tx) SetCursor(inst record.Instance, cursor []byte) error {
	if cursor == nil {
		cursor = []byte{}
	}
	if err := tx.run(`INSERT INTO cursors (instance, bytes) VALUES (?, ?) ON CONFLICT (instance) DO UPDATE SET bytes = excluded.bytes`, string(inst), cursor); err != nil {
		return fmt.Errorf("write cursor of %s: %w", inst, err)
	}
	return nil
}

// PutPolicyText keeps the files that a policy was made of, by the policy's digest. Text that is there
// already is left alone.
func (tx *Tx) PutPolicyText(digest record.Digest, files map[string][]byte) error {
	var n int
	if _, err := tx.one(`SELECT count(*) FROM policy_texts WHERE digest = ?`, []any{digest.String()}, &n); err != nil || n > 0 {
		return err
	}
	body, err := tx.packJSON("policy text", files)
	if err == nil {
		err = tx.run(`INSERT INTO policy_texts (digest, body) VALUES (?, ?)`, digest.String(), body)
	}
	if err != nil {
		return fmt.Errorf("write policy text: %w", err)
	}
	return nil
}

// PolicyText returns the files that a policy was made of, nil where they are not known.
func (tx *Tx) PolicyText(digest record.Digest) (map[string][]byte, error) {
	var packed []byte
	ok, err := tx.one(`SELECT body FROM policy_texts WHERE digest = ?`, []any{digest.String()}, &packed)
	if err != nil || !ok {
		return nil, err
	}
	var files map[string][]byte
	if err := tx.unpackJSON(packed, &files); err != nil {
		return nil, fmt.Errorf("read policy text %s: %w", digest, err)
	}
	return files, nil
}
