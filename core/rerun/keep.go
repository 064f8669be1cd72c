package rerun

import (
	"fmt"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// parametersFile is the name under which parameters are kept, by their digest.
const parametersFile = "parameters.json"

// Keep keeps the texts that the verdicts of a set's policies pin. files are those that the set was
// compiled of.
func Keep(tx *store.Tx, set *policy.Set, files []policy.File) error {
	byPath := make(map[string][]byte, len(files))
	for _, f := range files {
		byPath[f.Path] = f.Bytes
	}
	for _, p := range set.Policies() {
		texts := make(map[string][]byte, len(p.Files))
		for _, path := range p.Files {
			texts[path] = byPath[path]
		}
		if err := tx.PutPolicyText(p.Digest, texts); err != nil {
			return fmt.Errorf("keep %s: %w", p.ID, err)
		}
		if err := tx.PutPolicyText(record.Sum(p.Parameters), map[string][]byte{parametersFile: p.Parameters}); err != nil {
			return fmt.Errorf("keep the parameters of %s: %w", p.ID, err)
		}
	}
	return nil
}
