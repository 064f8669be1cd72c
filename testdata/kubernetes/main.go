// Command kubernetes turns changes of files that declare Kubernetes objects, one commit after the other, into
// items and events, for the collector exec to run. A line of its input is a file that a commit added ("A"),
// modified ("M") or deleted ("D"), with the objects that it declares since:
//
//	{"time":1620917127,"commit":"e3f1","actor":"d45f","change":"A","namespace":"dev","path":"dev/a.yaml","objects":[{…}]}
//
// An object is there as long as any file declares it, as the file says that was changed last.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// change is a line of the input.
type change struct {
	Time      int64             `json:"time"`
	Commit    string            `json:"commit"`
	Actor     string            `json:"actor"`
	Change    string            `json:"change"`
	Namespace string            `json:"namespace"`
	Path      string            `json:"path"`
	Objects   []json.RawMessage `json:"objects"`
}

// object is what names an object.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
}

// key is a resource's type and id.
type key struct{ typ, id string }

// declared is an object as a file declares it.
type declared struct {
	body   json.RawMessage
	labels map[string]string
	line   int
}

// clusterWide are the kinds that stand in no namespace.
var clusterWide = []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume", "StorageClass"}

// keyOf names an object; false says that it has no name.
func keyOf(o *object, namespace string) (key, bool) {
	if o.Kind == "" || o.Metadata.Name == "" {
		return key{}, false
	}
	group, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		group = "core"
	}
	group, _, _ = strings.Cut(group, ".")
	typ := "Kubernetes::" + strings.ToUpper(group[:1]) + strings.ReplaceAll(group[1:], "-", "") + "::" + o.Kind
	if slices.Contains(clusterWide, o.Kind) {
		return key{typ, o.Metadata.Name}, true
	}
	if o.Metadata.Namespace != "" {
		namespace = o.Metadata.Namespace
	}
	return key{typ, namespace + "/" + o.Metadata.Name}, true
}

// cluster is what all files declare.
type cluster struct {
	out   *bufio.Writer
	files map[string][]key
	// objects has for each object the files that declare it.
	objects map[key]map[string]declared
	emitted int
}

// commit applies the changes of one commit and writes what became of the objects.
func (c *cluster) commit(changes []change) error {
	// existed says of each object that is touched whether it was there before the commit.
	existed := map[key]bool{}
	touch := func(k key) {
		if _, known := existed[k]; !known {
			existed[k] = len(c.objects[k]) > 0
		}
	}
	for i, ch := range changes {
		for _, k := range c.files[ch.Path] {
			touch(k)
			delete(c.objects[k], ch.Path)
		}
		delete(c.files, ch.Path)
		if ch.Change == "D" {
			continue
		}
		for j, raw := range ch.Objects {
			var o object
			if json.Unmarshal(raw, &o) != nil {
				continue
			}
			k, named := keyOf(&o, ch.Namespace)
			if !named {
				continue
			}
			touch(k)
			if c.objects[k] == nil {
				c.objects[k] = map[string]declared{}
			}
			c.objects[k][ch.Path] = declared{raw, o.Metadata.Labels, i<<16 + j}
			c.files[ch.Path] = append(c.files[ch.Path], k)
		}
	}
	keys := make([]key, 0, len(existed))
	for k := range existed {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.typ+a.id, b.typ+b.id) })
	for _, k := range keys {
		if err := c.emit(changes, k, existed[k]); err != nil {
			return err
		}
	}
	return nil
}

// emit writes the event and the item of an object that a commit touched.
func (c *cluster) emit(changes []change, k key, existed bool) error {
	at := time.Unix(changes[0].Time, 0).UTC().Format(time.RFC3339)
	var last declared
	line := -1
	for path, d := range c.objects[k] {
		// What this commit wrote counts; of the others any says the same as before.
		own := slices.ContainsFunc(changes, func(ch change) bool { return ch.Path == path })
		if own && d.line > line {
			last, line = d, d.line
		}
	}
	item := map[string]any{
		"kind": "item", "accountId": "cloud-platform", "region": "live", "resourceType": k.typ, "resourceId": k.id,
		"configurationItemCaptureTime": at, "configurationItemStatus": "OK",
	}
	action := "update"
	switch {
	case len(c.objects[k]) == 0 && !existed, len(c.objects[k]) > 0 && line < 0:
		// It came and went, or a file let go of it that was not the last.
		return nil
	case len(c.objects[k]) == 0:
		delete(c.objects, k)
		item["configurationItemStatus"], action = "ResourceDeleted", "delete"
	default:
		if !existed {
			action = "create"
		}
		item["configuration"] = last.body
		if len(last.labels) > 0 {
			item["tags"] = last.labels
		}
	}
	c.emitted++
	event := map[string]any{
		"kind": "event", "id": fmt.Sprintf("%s-%d", changes[0].Commit, c.emitted), "source": "git", "time": at, "action": "k8s:" + action,
		"outcome": "success", "actor": map[string]string{"id": changes[0].Actor}, "accountId": "cloud-platform", "region": "live",
		"targets": []any{map[string]string{"resourceType": k.typ, "resourceId": k.id}}, "detail": map[string]string{"commit": changes[0].Commit},
	}
	for _, rec := range []any{event, item} {
		b, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		if _, err := c.out.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func run(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	c := &cluster{out: out, files: map[string][]key{}, objects: map[key]map[string]declared{}}
	in := bufio.NewReader(z)
	var pending []change
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var ch change
			if err := json.Unmarshal(line, &ch); err != nil {
				return err
			}
			if len(pending) > 0 && pending[0].Commit != ch.Commit {
				if err := c.commit(pending); err != nil {
					return err
				}
				pending = nil
			}
			pending = append(pending, ch)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(pending) > 0 {
		if err := c.commit(pending); err != nil {
			return err
		}
	}
	return out.Flush()
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kubernetes CHANGES.ndjson.gz")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
