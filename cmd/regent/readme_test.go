package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// block is a fenced block of a Markdown file.
type block struct {
	lang, text string
	// link is the last address that the text before it links to.
	link string
	line int
}

var linkTarget = regexp.MustCompile(`\]\(([^)]+)\)`)

// blocks takes the fenced blocks out of Markdown.
func blocks(text string) (out []block) {
	var at *block
	link := ""
	for i, line := range strings.SplitAfter(text, "\n") {
		lang, fence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case fence && at == nil:
			at = &block{lang: lang, link: link, line: i + 1}
			link = ""
		case fence:
			out = append(out, *at)
			at = nil
		case at != nil:
			at.text += line
		default:
			if m := linkTarget.FindAllStringSubmatch(line, -1); m != nil {
				link = m[len(m)-1][1]
			}
		}
	}
	return out
}

// took is the one thing in the output of a command that differs from run to run.
var took = regexp.MustCompile(`( skipped in )\S+`)

// TestPoliciesReadme holds policies/README.md to what it shows: each file is one of testdata/policies, as
// it is, all of them are shown, and each command gives the output that stands below it.
func TestPoliciesReadme(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "policies", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := filepath.Join(root, "testdata", "policies")
	work := t.TempDir()
	if err := os.CopyFS(work, os.DirFS(examples)); err != nil {
		t.Fatal(err)
	}
	// The daemon refuses policies that others may write, whatever the umask of the checkout was.
	if err := filepath.WalkDir(work, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	}); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	all := blocks(string(text))
	for i, b := range all {
		switch b.lang {
		case "sh":
			cmd := exec.CommandContext(t.Context(), "sh", "-c", b.text)
			cmd.Dir = work
			cmd.Env = []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + work}
			// That something is not compliant or wrong is what some of the commands show.
			out, _ := cmd.CombinedOutput()
			if i+1 == len(all) || all[i+1].lang != "text" {
				t.Errorf("line %d: the output of %q is not shown", b.line, b.text)
				continue
			}
			want, got := took.ReplaceAllString(all[i+1].text, "$1"), took.ReplaceAllString(string(out), "$1")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("line %d: the output of %q differs (-README +real):\n%s", b.line, b.text, diff)
			}
		case "text":
			if i == 0 || all[i-1].lang != "sh" {
				t.Errorf("line %d: output without its command", b.line)
			}
		default:
			path := filepath.Join(root, "policies", b.link)
			rel, err := filepath.Rel(examples, path)
			if err != nil || b.link == "" || strings.HasPrefix(rel, "..") {
				t.Errorf("line %d: the text before the block links to %q, which is no file of testdata/policies", b.line, b.link)
				continue
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("line %d: %v", b.line, err)
				continue
			}
			shown[filepath.ToSlash(rel)] = true
			if diff := cmp.Diff(string(file), b.text); diff != "" {
				t.Errorf("line %d: the block is not %s as it is (-file +README):\n%s", b.line, b.link, diff)
			}
		}
	}
	err = filepath.WalkDir(examples, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(examples, path)
		if err == nil && !shown[filepath.ToSlash(rel)] {
			t.Errorf("testdata/policies/%s is not shown", filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
