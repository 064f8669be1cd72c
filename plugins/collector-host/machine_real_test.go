package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestThisMachine reads the machine that runs the test.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	r := collect(t, opened(t, func(c *config) {
		c.Watch, c.MachineID = []string{"/etc"}, ""
		c.MetadataOnly = []string{"/var/log/**"}
	}))
	took := time.Since(began)

	count := map[string]int{}
	ids := map[string]bool{}
	for _, it := range r.got {
		count[it.Type]++
		if key := it.Type + " " + it.ID; ids[key] {
			t.Errorf("%s was sent twice", key)
		} else {
			ids[key] = true
		}
	}
	types := make([]string, 0, len(count))
	for typ := range count {
		types = append(types, fmt.Sprintf("%s %d", typ, count[typ]))
	}
	slices.Sort(types)
	t.Logf("%d resources in %v: %s", len(r.got), took.Round(time.Millisecond), strings.Join(types, ", "))
	for _, p := range r.problems {
		t.Logf("problem: %s: %s", p.Summary, p.Detail)
	}
	if len(r.got) < 300 {
		t.Errorf("%d resources, want at least 300", len(r.got))
	}
	if took > 10*time.Second {
		t.Errorf("the first pass took %v", took)
	}
	for _, f := range families() {
		if _, swept := r.sweeps[f.typ]; !swept {
			t.Errorf("%s was not swept", f.typ)
		}
	}

	root := r.one(typeUser, "root")
	if root.at("uid") != 0.0 || !root.related(typeGroup, "root", "Has primary group") {
		t.Errorf("root: %s", root.raw)
	}
	id, err := os.ReadFile("/etc/machine-id")
	if want := strings.TrimSpace(string(id)); err == nil && root.AccountID != want {
		t.Errorf("account %q, want the machine's id %q", root.AccountID, want)
	}
	// This very test listens; the kernel's tables must lead to it.
	listener := r.one(typeListener, fmt.Sprintf("tcp/127.0.0.1/%d", l.Addr().(*net.TCPAddr).Port))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(listener.at("executables")); !strings.Contains(got, exe) || listener.at("loopback") != true {
		t.Errorf("listener %s does not name %s", listener.raw, exe)
	}
	process := r.one(typeProcess, fmt.Sprint(listener.at("processes.0")))
	if !process.related(typeListener, listener.ID, "Listens at") || !process.related(typeFile, exe, "Runs") {
		t.Errorf("process %s", process.raw)
	}
	if file := r.one(typeFile, exe); len(fmt.Sprint(file.at("sha256"))) != 64 || file.at("watched") != false {
		t.Errorf("file %s", file.raw)
	}
	if r.one(typeMachine, root.AccountID).at("kernel.name") != "Linux" {
		t.Error("the kernel is not Linux")
	}
	if passwd := r.one(typeFile, "/etc/passwd"); passwd.at("type") != "file" || passwd.at("watched") != true {
		t.Errorf("file %s", passwd.raw)
	}
}

// TestNoHashIsEverSent looks for the machine's own password hashes in everything that is sent.
func TestNoHashIsEverSent(t *testing.T) {
	t.Parallel()
	shadow, err := os.ReadFile("/etc/shadow")
	if err != nil {
		t.Skip("shadow may not be read here")
	}
	r := collect(t, opened(t, func(c *config) { c.Watch = []string{"/etc"} }))
	for line := range strings.Lines(string(shadow)) {
		f := strings.Split(line, ":")
		if len(f) < 2 || len(f[1]) < 5 {
			continue
		}
		for _, it := range r.got {
			if bytes.Contains(it.raw, []byte(f[1])) {
				t.Fatalf("%s %s holds a hash", it.Type, it.ID)
			}
		}
	}
}
