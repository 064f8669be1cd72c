package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"go.yaml.in/yaml/v3"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// block is one METADATA comment. OPA parses these too, but forgets where in the block a key stood.
type block struct {
	// scope is OPA's: package, subpackages, document or rule.
	scope string
	// where is the line "# METADATA".
	where diag.Range
	root  *yaml.Node
	lines []blockLine
	file  string
}

// blockLine says where one line of the block's YAML stands in the file. YAML sees the comment without
// its "#" and, where there is one, the space after it.
type blockLine struct {
	row, offset, indent int
}

// metadataBlocks finds the METADATA comments of a module that parsed, in the order they stand.
func metadataBlocks(file string, m *ast.Module) []*block {
	scopes := map[int]string{}
	for _, a := range m.Annotations {
		if a.Location != nil {
			scopes[a.Location.Row] = a.Scope
		}
	}
	var out []*block
	for i := 0; i < len(m.Comments); i++ {
		c := m.Comments[i]
		if !ast.IsMetadataComment(c) {
			continue
		}
		b := &block{scope: scopes[c.Location.Row], where: *dialect.Range(c.Location), file: file}
		b.where.File = file
		var text strings.Builder
		for i+1 < len(m.Comments) {
			n := m.Comments[i+1]
			if n.Location.Col != 1 || n.Location.Row != m.Comments[i].Location.Row+1 || ast.IsMetadataComment(n) {
				break
			}
			line, indent := string(n.Text), 1
			if rest, ok := strings.CutPrefix(line, " "); ok {
				line, indent = rest, 2
			}
			text.WriteString(line)
			text.WriteByte('\n')
			b.lines = append(b.lines, blockLine{row: n.Location.Row, offset: n.Location.Offset, indent: indent})
			i++
		}
		var doc yaml.Node
		if yaml.Unmarshal([]byte(text.String()), &doc) == nil && len(doc.Content) == 1 {
			b.root = doc.Content[0]
		}
		out = append(out, b)
	}
	return out
}

// place returns where a YAML node stands in the file.
func (b *block) place(n *yaml.Node) *diag.Range {
	if n == nil || n.Line < 1 || n.Line > len(b.lines) {
		where := b.where
		return &where
	}
	l := b.lines[n.Line-1]
	col := n.Column + l.indent
	text := n.Value
	if n.Kind != yaml.ScalarNode || strings.Contains(text, "\n") {
		text = ""
	} else if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		text = `"` + text + `"`
	}
	r := dialect.LineRange(b.file, l.row, col, l.offset+col-1, text)
	return &r
}

// pair is one member of a YAML mapping.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs returns the members of a mapping; ok is false where n is none. Aliases are followed.
func pairs(n *yaml.Node) (out []pair, ok bool) {
	n = deref(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, pair{name: n.Content[i].Value, key: n.Content[i], value: deref(n.Content[i+1])})
	}
	return out, true
}

func deref(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// errTooDeep stops a document whose anchors make it larger than what was written.
var errTooDeep = fmt.Errorf("nested too deeply, or too large")

// yamlValue turns YAML into what encoding/json decodes with numbers kept: map, slice, string, bool,
// json.Number and nil. budget is how many values may still be made, which bounds aliases of aliases.
func yamlValue(n *yaml.Node, depth int, budget *int) (any, error) {
	if *budget--; depth > 32 || *budget < 0 {
		return nil, errTooDeep
	}
	n = deref(n)
	switch n.Kind {
	case yaml.MappingNode:
		ps, _ := pairs(n)
		m := make(map[string]any, len(ps))
		for _, p := range ps {
			v, err := yamlValue(p.value, depth+1, budget)
			if err != nil {
				return nil, err
			}
			if _, twice := m[p.name]; twice {
				return nil, fmt.Errorf("key %q stands twice", p.name)
			}
			m[p.name] = v
		}
		return m, nil
	case yaml.SequenceNode:
		s := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := yamlValue(c, depth+1, budget)
			if err != nil {
				return nil, err
			}
			s = append(s, v)
		}
		return s, nil
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return nil, nil
		case "!!bool":
			var b bool
			if err := n.Decode(&b); err != nil {
				return nil, err
			}
			return b, nil
		case "!!int", "!!float":
			if json.Valid([]byte(n.Value)) {
				return json.Number(n.Value), nil
			}
			// 0x10, 1_000 and .5 are numbers to YAML but not to JSON.
			var f float64
			if err := n.Decode(&f); err != nil {
				return nil, err
			}
			b, err := json.Marshal(f)
			if err != nil {
				return nil, fmt.Errorf("%s is not a number in JSON", n.Value)
			}
			return json.Number(b), nil
		}
		if !utf8.ValidString(n.Value) {
			return nil, fmt.Errorf("text is not UTF-8")
		}
		return n.Value, nil
	}
	return nil, fmt.Errorf("value of an unknown kind")
}
