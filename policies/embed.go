// Package policies holds the policies that come with Regent, their tests, and what is known of the
// properties of resource types that no collector of ours declares.
package policies

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed compliance alarms schema
var files embed.FS

// File is one Rego file.
type File struct {
	// Path begins with "builtin/", so that a problem shows where the file comes from.
	Path string
	// Policy is the id of the policy that the file defines or tests.
	Policy string
	Bytes  []byte
}

// Files returns all policies and their tests, in lexical order.
func Files() ([]File, error) {
	var out []File
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".rego" {
			return err
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		out = append(out, File{Path: "builtin/" + name, Policy: strings.ReplaceAll(path.Dir(name), "/", "."), Bytes: b})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the policies that come with Regent: %w", err)
	}
	return out, nil
}

// Schemas returns JSON Schemas of items by resource type, for types that come from files and have no
// collector that declares them. They say which properties there are, not what they hold.
func Schemas() (map[string][]byte, error) {
	b, err := files.ReadFile("schema/aws.json")
	if err != nil {
		return nil, fmt.Errorf("read property facts: %w", err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("read property facts: %w", err)
	}
	out := make(map[string][]byte, len(raw))
	for t, s := range raw {
		out[t] = s
	}
	return out, nil
}
