package config

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/regent-dev/regent/core/diag"
)

// Sources are the bytes of the files by name, for showing snippets.
type Sources map[string][]byte

// read reads the files in lexical order.
func (l *loader) read(path string) []*hcl.File {
	names := l.names(path)
	h := sha256.New()
	var files []*hcl.File
	for _, name := range names {
		b, err := l.bytes(name)
		if err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			l.problems.Errorf(&diag.Range{File: name}, "File not readable", "%v.", err)
			continue
		}
		fmt.Fprintf(h, "%d %s %d ", len(name), name, len(b))
		h.Write(b)
		l.sources[name] = b
		l.c.Files = append(l.c.Files, name)
		f, diags := hclsyntax.ParseConfig(b, name, hcl.InitialPos)
		l.add(diags)
		if f != nil && f.Body != nil {
			files = append(files, f)
		}
	}
	vars, _ := json.Marshal(l.o.Vars)
	h.Write(vars)
	h.Sum(l.c.Digest[:0])
	if l.problems.HasErrors() {
		// What a broken file would have said is not known; problems that follow from that would
		// only hide the first.
		return nil
	}
	return files
}

// names lists the files, in lexical order.
func (l *loader) names(path string) []string {
	if l.o.Files != nil {
		return slices.Sorted(maps.Keys(l.o.Files))
	}
	info, err := os.Stat(path)
	if err != nil {
		l.problems.Errorf(nil, "Configuration not found", "%v. Name a file or a folder with --config.", err)
		return nil
	}
	if !info.IsDir() {
		return []string{path}
	}
	names, err := filepath.Glob(filepath.Join(path, "*.hcl"))
	if err != nil || len(names) == 0 {
		l.problems.Errorf(nil, "Configuration is empty", "The folder %s holds no *.hcl file.", path)
		return nil
	}
	slices.Sort(names)
	return names
}

func (l *loader) bytes(name string) ([]byte, error) {
	if l.o.Files != nil {
		return l.o.Files[name], nil
	}
	return os.ReadFile(name)
}
