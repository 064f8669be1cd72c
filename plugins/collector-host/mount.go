package main

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/regent-dev/regent/plugins/collector-host/internal/procfs"
)

// mountConfiguration is what is mounted at one place.
type mountConfiguration struct {
	MountPoint   string   `json:"mountPoint" doc:"Where it is mounted."`
	Source       string   `json:"source,omitempty" doc:"Device, or what the file system calls its source."`
	Type         string   `json:"type" doc:"Type of file system."`
	Root         string   `json:"root" doc:"Part of the file system that is mounted; / but for bind mounts."`
	Options      []string `json:"options" doc:"Options of this mount, sorted."`
	SuperOptions []string `json:"superOptions" doc:"Options of the file system, sorted; secrets are hidden."`
	Propagation  string   `json:"propagation" doc:"private, shared, slave or unbindable."`
	ReadOnly     bool     `json:"readOnly" doc:"Whether it cannot be written to."`
	NoDev        bool     `json:"nodev" doc:"Whether device files mean nothing there."`
	NoSUID       bool     `json:"nosuid" doc:"Whether set-user-id means nothing there."`
	NoExec       bool     `json:"noexec" doc:"Whether programs cannot be run from there."`
	InFSTab      bool     `json:"inFstab" doc:"Whether fstab lists the place."`
	FSTabOptions []string `json:"fstabOptions,omitempty" doc:"Options that fstab gives, sorted; secrets are hidden."`
}

func mountFamily() family {
	return family{
		name: "mount", typ: typeMount, example: mountConfiguration{}, list: listMounts,
		doc: "A mounted file system. Where several are mounted on one place, the one on top counts.",
	}
}

// passingMounts are places whose mounts come and go with containers, logins and services.
var passingMounts = []string{
	"/run/user/", "/run/netns/", "/run/docker/", "/run/containerd/", "/run/credentials/", "/run/systemd/", "/var/lib/docker/",
	"/var/lib/containerd/", "/var/lib/containers/storage/", "/var/lib/kubelet/pods/", "/var/snap/",
}

func listMounts(_ context.Context, s *scan, emit func(resource) error) error {
	// The first process sees the machine's mounts; the collector's own may differ where its service is
	// confined. Few may look at the former.
	b, err := s.tree.ReadFile("/proc/1/mountinfo", maxDatabase)
	if err != nil || len(b) == 0 {
		b, err = s.tree.ReadFile("/proc/self/mountinfo", maxDatabase)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && !s.tree.Live() {
			return nil
		}
		return err
	}
	mounts, bad := procfs.ParseMounts(b)
	tab := map[string]procfs.FSTabEntry{}
	if b, err := s.read("/etc/fstab"); err == nil {
		for _, e := range procfs.ParseFSTab(b) {
			tab[path.Clean(e.Point)] = e
		}
	}
	top := map[string]int{}
	for i, m := range mounts {
		top[m.Point] = i
	}
	for i, m := range mounts {
		if top[m.Point] != i || slices.ContainsFunc(passingMounts, func(p string) bool { return strings.HasPrefix(m.Point, p) }) {
			continue
		}
		e, listed := tab[m.Point]
		c := mountConfiguration{
			MountPoint: m.Point, Source: hideSecrets(m.Source), Type: m.Type, Root: m.Root, Options: append([]string{}, m.Options...),
			SuperOptions: append([]string{}, hideEach(m.SuperOptions)...), Propagation: m.Propagation, InFSTab: listed,
			FSTabOptions: hideEach(e.Options), ReadOnly: has(m, "ro"), NoDev: has(m, "nodev"), NoSUID: has(m, "nosuid"), NoExec: has(m, "noexec"),
		}
		r := resource{id: m.Point, name: m.Point, configuration: c}
		for dir := m.Point; dir != "/"; {
			dir = path.Dir(dir)
			if _, ok := top[dir]; ok {
				r.relationships = append(r.relationships, relation(typeMount, dir, "Is mounted below"))
				break
			}
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return inFile("mountinfo", bad)
}

func has(m procfs.Mount, option string) bool {
	return slices.Contains(m.Options, option) || slices.Contains(m.SuperOptions, option) && option == "ro"
}
