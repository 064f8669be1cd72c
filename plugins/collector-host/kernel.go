package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/regent-dev/regent/plugins/collector-host/internal/procfs"
	"github.com/regent-dev/regent/plugins/collector-host/internal/rootfs"
	"github.com/regent-dev/regent/sdk"
)

// parameterConfiguration is one kernel parameter.
type parameterConfiguration struct {
	Name         string `json:"name" doc:"Name, as sysctl prints it."`
	Value        string `json:"value" doc:"Value in force, with single spaces between its parts."`
	Number       *int64 `json:"number,omitempty" doc:"The value where it is one whole number."`
	Configured   string `json:"configured,omitempty" doc:"Value that a file of sysctl.d sets at boot; absent where none does."`
	ConfiguredIn string `json:"configuredIn,omitempty" doc:"The file that sets it."`
}

func parameterFamily() family {
	return family{
		name: "kernel_parameter", typ: typeParameter, example: parameterConfiguration{}, list: listParameters,
		doc: "A kernel parameter of /proc/sys that configures something; counters and secrets are left out.",
	}
}

// parameterRoots are the parts of /proc/sys that are read.
var parameterRoots = []string{"abi", "dev", "fs", "kernel", "net", "user", "vm"}

// skipParameters are parameters that count or measure, change by themselves, do something when read,
// or are secrets (the keys of TCP Fast Open and of stable IPv6 addresses).
var skipParameters = []string{
	"dev.cdrom.*", "fs.aio-nr", "fs.binfmt_misc.*", "fs.dentry-state", "fs.file-nr", "fs.inode-nr", "fs.inode-state", "fs.quota.*",
	"fs.xfs.stats_clear", "kernel.hung_task_detect_count", "kernel.ns_last_pid", "kernel.perf_event_max_sample_rate", "kernel.pty.nr", "kernel.random.*",
	"kernel.sched_domain.*", "kernel.msg_next_id", "kernel.sem_next_id", "kernel.shm_next_id", "kernel.cad_pid",
	"net.ipv4.tcp_fastopen_key", "net.ipv6.conf.*.stable_secret", "net.netfilter.nf_conntrack_count", "sunrpc.*",
	"vm.compact_memory", "vm.drop_caches", "vm.stat_refresh", "net.ipv4.route.flush", "net.ipv6.route.flush",
}

// passingInterfaces are beginnings of names of network interfaces that come and go with containers
// and virtual machines.
var passingInterfaces = []string{
	"veth", "cali", "cni", "docker", "br-", "virbr", "vnet", "tap", "flannel", "ifb", "lxc", "vxlan", "cilium", "kube-", "podman",
}

func listParameters(ctx context.Context, s *scan, emit func(resource) error) error {
	configured := s.sysctlFiles()
	w := parameterWalk{s: s, emit: emit, configured: configured, ctx: ctx}
	for _, root := range parameterRoots {
		if err := w.dir(root); err != nil {
			return err
		}
	}
	if len(w.denied) > 0 {
		return fmt.Errorf("%d parameters may not be read, %s among them: %w", len(w.denied), w.denied[0], fs.ErrPermission)
	}
	return nil
}

type parameterWalk struct {
	s          *scan
	ctx        context.Context
	emit       func(resource) error
	configured []sysctlSetting
	denied     []string
}

func (w *parameterWalk) dir(dir string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := w.s.tree.ReadDir(path.Join("/proc/sys", dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		if e.IsDir() {
			if strings.HasPrefix(dir, "net/") && passing(e.Name()) {
				continue
			}
			if err := w.dir(file); err != nil {
				return err
			}
			continue
		}
		if err := w.parameter(file); err != nil {
			return err
		}
	}
	return nil
}

func (w *parameterWalk) parameter(file string) error {
	name := parameterName(file)
	if slices.ContainsFunc(skipParameters, func(p string) bool { ok, _ := path.Match(p, name); return ok }) {
		return nil
	}
	b, err := w.s.tree.ReadFile(path.Join("/proc/sys", file), 64<<10)
	switch {
	case errors.Is(err, fs.ErrPermission):
		// Those that nobody may read can only be written.
		if info, err := w.s.tree.Stat(path.Join("/proc/sys", file)); err != nil || info.Mode()&0o444 != 0 {
			w.denied = append(w.denied, name)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrTooLarge), errors.Is(err, rootfs.ErrNotRegular):
		return nil
	case err != nil:
		// Some cannot be read as things stand, such as those of hardware that is not there.
		w.s.log.Debug("a kernel parameter cannot be read", "resource", name, "err", err)
		return nil
	}
	text := strings.TrimRight(string(b), "\x00\n")
	if strings.Contains(text, "\n") {
		return nil // a table, not a value
	}
	c := parameterConfiguration{Name: name, Value: strings.Join(strings.Fields(text), " ")}
	if n, err := strconv.ParseInt(c.Value, 10, 64); err == nil {
		c.Number = &n
	}
	var related []sdk.Relationship
	if set, ok := settingFor(w.configured, name); ok {
		c.Configured, c.ConfiguredIn = set.value, set.file
		related = append(related, relation(typeFile, set.file, "Is configured in"))
	}
	return w.emit(resource{id: name, name: name, configuration: c, relationships: related})
}

// parameterName writes a path below /proc/sys as sysctl does: dots between the parts, and a slash for
// a dot inside one, as in net.ipv4.conf.eth0/100.forwarding.
func parameterName(file string) string {
	parts := strings.Split(file, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(p, ".", "/")
	}
	return strings.Join(parts, ".")
}

func passing(name string) bool {
	return slices.ContainsFunc(passingInterfaces, func(p string) bool { return strings.HasPrefix(name, p) })
}

// sysctlSetting is one line of a file of sysctl.d.
type sysctlSetting struct {
	// pattern is a name that may hold wildcards.
	pattern, value, file string
}

// sysctlFiles reads the files that set parameters at boot, in the order in which they do.
func (s *scan) sysctlFiles() []sysctlSetting {
	chosen := map[string]string{} // by base name: the first folder counts
	for _, dir := range []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"} {
		files, err := s.tree.Glob(dir + "/*.conf")
		if err != nil {
			s.log.Debug("a folder of sysctl.d cannot be read", "err", err)
		}
		for _, f := range files {
			if base := path.Base(f); chosen[base] == "" {
				chosen[base] = f
			}
		}
	}
	var out []sysctlSetting
	read := func(file string) {
		if b, err := s.read(file); err == nil {
			out = append(out, parseSysctl(b, file)...)
		}
	}
	bases := make([]string, 0, len(chosen))
	for b := range chosen {
		bases = append(bases, b)
	}
	slices.Sort(bases)
	for _, b := range bases {
		read(chosen[b])
	}
	read("/etc/sysctl.conf")
	return out
}

// parseSysctl reads sysctl.d(5).
func parseSysctl(b []byte, file string) []sysctlSetting {
	var out []sysctlSetting
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "-"))
		// With slashes first, slashes divide the parts and dots are part of names.
		if slash, dot := strings.IndexByte(name, '/'), strings.IndexByte(name, '.'); slash >= 0 && (dot < 0 || slash < dot) {
			name = parameterName(strings.Trim(name, "/"))
		}
		if !ok || name == "" {
			continue
		}
		out = append(out, sysctlSetting{name, strings.Join(strings.Fields(value), " "), file})
	}
	return out
}

// settingFor returns the last setting of a parameter. A name of its own goes before any pattern.
func settingFor(settings []sysctlSetting, name string) (found sysctlSetting, ok bool) {
	exact := false
	for _, set := range settings {
		if set.pattern == name {
			found, ok, exact = set, true, true
		} else if !exact {
			if match, err := path.Match(set.pattern, name); err == nil && match {
				found, ok = set, true
			}
		}
	}
	return found, ok
}

// moduleConfiguration is one loaded module.
type moduleConfiguration struct {
	Name      string   `json:"name" doc:"Name."`
	SizeBytes int64    `json:"sizeBytes" doc:"Memory it takes."`
	UsedBy    []string `json:"usedBy" doc:"Loaded modules that need it, sorted."`
	State     string   `json:"state" doc:"live, loading or unloading."`
	OutOfTree bool     `json:"outOfTree" doc:"Whether it is not part of the kernel's sources."`
	Unsigned  bool     `json:"unsigned" doc:"Whether it bears no signature that the kernel trusts."`
	Taint     string   `json:"taint,omitempty" doc:"Letters by which the kernel marks it: O out of tree, E unsigned, P proprietary, F forced…"`
	Version   string   `json:"version,omitempty" doc:"Version, where the module has one."`
	Users     int      `json:"users" doc:"How often it is in use."`
}

func moduleFamily() family {
	return family{
		name: "kernel_module", typ: typeModule, example: moduleConfiguration{}, list: listModules,
		doc:      "A loaded kernel module. A kernel without support for modules has none.",
		volatile: []string{"/configuration/users", "/configuration/state"},
	}
}

func listModules(_ context.Context, s *scan, emit func(resource) error) error {
	b, err := s.read("/proc/modules")
	if err != nil {
		return present(err)
	}
	modules, bad := procfs.ParseModules(b)
	for _, m := range modules {
		c := moduleConfiguration{
			Name: m.Name, SizeBytes: m.Size, UsedBy: append([]string{}, m.UsedBy...), State: m.State, Users: m.Users, Taint: m.Taint,
			OutOfTree: strings.Contains(m.Taint, "O"), Unsigned: strings.Contains(m.Taint, "E"),
			Version: s.line("/sys/module/" + m.Name + "/version"),
		}
		r := resource{id: m.Name, name: m.Name, configuration: c}
		for _, u := range m.UsedBy {
			r.relationships = append(r.relationships, relation(typeModule, u, "Is used by"))
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return inFile("/proc/modules", bad)
}
