package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/regent-dev/regent/core/record"
)

// Proof says how the recorded history is made provable.
type Proof struct {
	// KeyFile is the signing key. Made says that it is made where it is not there: it is the default.
	KeyFile string
	Made    bool
	// Previous are the files of signing keys of before.
	Previous []string
	// Anchor are the notifiers that get the latest digest, Every how often at most.
	Anchor []record.Instance
	Every  time.Duration
}

// leastAnchor is how often there is something new to send.
const leastAnchor = time.Hour

func (l *loader) proof(blocks hcl.Blocks) {
	p := &l.c.Proof
	*p = Proof{KeyFile: filepath.Join(l.c.DataDir, "proof.key"), Made: true, Every: day}
	for _, b := range blocks {
		var raw struct {
			KeyFile  hcl.Expression `hcl:"key_file,optional"`
			Previous hcl.Expression `hcl:"previous,optional"`
			Anchor   hcl.Expression `hcl:"anchor,optional"`
			Every    hcl.Expression `hcl:"every,optional"`
		}
		if !l.decode(b, &raw) {
			return
		}
		if s, rng, ok := l.text(raw.KeyFile); ok {
			p.KeyFile, p.Made = l.path(s, rng), false
			l.keyFile(p.KeyFile, s, rng)
		}
		for _, t := range l.texts(raw.Previous) {
			file := l.path(t.s, t.rng)
			l.keyFile(file, t.s, t.rng)
			p.Previous = append(p.Previous, file)
		}
		if !l.unset(raw.Anchor) {
			p.Anchor = l.notifiers(raw.Anchor, "anchor")
		}
		l.duration(raw.Every, "every", &p.Every)
		if p.Every < leastAnchor {
			l.errorf(raw.Every.Range(), "Invalid every", "There is a digest each hour; it can be sent every 1h or less often, not every %s.", p.Every)
			p.Every = day
		}
	}
}

// keyFile checks what of a signing key can be told without reading it. given is as the operator wrote it.
func (l *loader) keyFile(path, given string, rng hcl.Range) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		l.errorf(rng, "Signing key not found", "%q: %v. `openssl genpkey -algorithm ed25519` makes one; without key_file the daemon makes its own.", given, err)
	case !info.Mode().IsRegular():
		l.errorf(rng, "Invalid signing key", "%q is not a file.", given)
	case info.Mode().Perm()&0o077 != 0:
		l.errorf(rng, "Signing key not protected", "%q may be read by others than its owner; set its mode to 0600.", given)
	}
}
