package main

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machineConfiguration is the machine itself.
type machineConfiguration struct {
	HostName     string        `json:"hostName" doc:"The kernel's host name."`
	OS           machineOS     `json:"os" doc:"The distribution, from os-release."`
	Kernel       machineKernel `json:"kernel" doc:"The running kernel."`
	CPU          machineCPU    `json:"cpu" doc:"The processors."`
	MemoryBytes  int64         `json:"memoryBytes,omitempty" doc:"Memory that the kernel manages."`
	SwapBytes    *int64        `json:"swapBytes,omitempty" doc:"Swap space."`
	Vendor       string        `json:"vendor,omitempty" doc:"Maker of the machine or of its virtual hardware."`
	Product      string        `json:"product,omitempty" doc:"Product name of the machine or of its virtual hardware."`
	TimeZone     string        `json:"timeZone,omitempty" doc:"Local time zone, such as Europe/Berlin."`
	Security     []string      `json:"securityModules,omitempty" doc:"Linux security modules in the order the kernel asks them."`
	SELinux      string        `json:"selinux,omitempty" doc:"enforcing or permissive, where SELinux runs."`
	Systemd      bool          `json:"systemd" doc:"Whether systemd runs the machine."`
	NeedsReboot  bool          `json:"rebootRequired" doc:"Whether an upgrade asks for a reboot."`
	BootID       string        `json:"bootId,omitempty" doc:"The kernel's id of this boot."`
	BootedAt     string        `json:"bootedAt,omitempty" doc:"When the machine was started."`
	IDIsInvented bool          `json:"machineIdInvented,omitempty" doc:"True where the machine has no id of its own and the collector made one up."`
}

type machineOS struct {
	ID        string   `json:"id,omitempty" doc:"Lower-case name: debian, rhel, alpine…"`
	IDLike    []string `json:"idLike,omitempty" doc:"Distributions it derives from, nearest first."`
	Name      string   `json:"name,omitempty" doc:"Name and version for people."`
	VersionID string   `json:"versionId,omitempty" doc:"Version, such as 12 or 9.4."`
	Codename  string   `json:"versionCodename,omitempty" doc:"Code name, such as bookworm."`
	Variant   string   `json:"variantId,omitempty" doc:"Edition, such as server."`
}

type machineKernel struct {
	Name         string `json:"name,omitempty" doc:"Linux."`
	Release      string `json:"release,omitempty" doc:"Release, as uname -r prints it."`
	Version      string `json:"version,omitempty" doc:"Build, as uname -v prints it."`
	Architecture string `json:"architecture,omitempty" doc:"Machine, as uname -m prints it."`
}

type machineCPU struct {
	Count int    `json:"count,omitempty" doc:"Processors that the kernel uses."`
	Model string `json:"model,omitempty" doc:"Model of the first one."`
}

func machineFamily() family {
	return family{
		name: "machine", typ: typeMachine, example: machineConfiguration{},
		doc:      "The machine itself: distribution, kernel, processors, memory.",
		volatile: []string{"/configuration/bootId", "/configuration/bootedAt"},
		list:     listMachine,
	}
}

func listMachine(_ context.Context, s *scan, emit func(resource) error) error {
	if s.invented {
		s.note("The machine has no id of its own",
			"Neither /etc/machine-id nor the hardware has one, so the collector made one up and keeps it in its state folder. "+
				"Run systemd-machine-id-setup, or set machine_id, so that the machine is recognised when that folder is lost.")
	}
	c := machineConfiguration{
		HostName:     s.line("/proc/sys/kernel/hostname"),
		OS:           s.osRelease(),
		Vendor:       s.line("/sys/class/dmi/id/sys_vendor"),
		Product:      s.line("/sys/class/dmi/id/product_name"),
		TimeZone:     s.timeZone(),
		Systemd:      s.tree.Exists("/run/systemd/system"),
		NeedsReboot:  s.tree.Exists("/run/reboot-required") || s.tree.Exists("/var/run/reboot-required"),
		BootID:       s.line("/proc/sys/kernel/random/boot_id"),
		IDIsInvented: s.invented,
		Kernel: machineKernel{
			Name: s.line("/proc/sys/kernel/ostype"), Release: s.line("/proc/sys/kernel/osrelease"),
			Version: s.line("/proc/sys/kernel/version"), Architecture: s.architecture(),
		},
	}
	if c.HostName == "" {
		c.HostName = s.line("/etc/hostname")
	}
	c.CPU = s.processors()
	c.MemoryBytes, c.SwapBytes = s.memory()
	if lsm := s.line("/sys/kernel/security/lsm"); lsm != "" {
		c.Security = strings.Split(lsm, ",")
	}
	switch s.line("/sys/fs/selinux/enforce") {
	case "1":
		c.SELinux = "enforcing"
	case "0":
		c.SELinux = "permissive"
	}
	if t, ok := s.bootTime(); ok {
		c.BootedAt = t.Format(time.RFC3339)
	}
	return emit(resource{id: s.account, name: c.HostName, configuration: c})
}

// osRelease reads os-release(5).
func (h *host) osRelease() machineOS {
	var os machineOS
	b, err := h.read("/etc/os-release")
	if err != nil {
		b, err = h.read("/usr/lib/os-release")
	}
	if err != nil {
		return os
	}
	for line := range strings.Lines(string(b)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		switch key {
		case "ID":
			os.ID = value
		case "ID_LIKE":
			os.IDLike = strings.Fields(value)
		case "PRETTY_NAME":
			os.Name = value
		case "VERSION_ID":
			os.VersionID = value
		case "VERSION_CODENAME":
			os.Codename = value
		case "VARIANT_ID":
			os.Variant = value
		}
	}
	return os
}

func (h *host) architecture() string {
	if arch := h.line("/proc/sys/kernel/arch"); arch != "" {
		return arch
	}
	var u unix.Utsname
	if !h.tree.Live() || unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Machine[:])
}

func (h *host) processors() machineCPU {
	var c machineCPU
	b, err := h.read("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(key) {
			case "processor":
				c.Count++
			case "model name", "Model":
				if c.Model == "" {
					c.Model = strings.TrimSpace(value)
				}
			}
		}
	}
	if c.Count == 0 && h.tree.Live() {
		c.Count = runtime.NumCPU()
	}
	return c
}

// memory reads /proc/meminfo. The total differs by some pages between boots, so that it is cut to
// whole MiB.
func (h *host) memory() (total int64, swap *int64) {
	b, err := h.read("/proc/meminfo")
	if err != nil {
		return 0, nil
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || kib < 0 || kib > 1<<50 {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			total = kib >> 10 << 20
		case "SwapTotal:":
			bytes := kib << 10
			swap = &bytes
		}
	}
	return total, swap
}

func (h *host) timeZone() string {
	if target, err := h.tree.Readlink("/etc/localtime"); err == nil {
		if _, zone, ok := strings.Cut(target, "/zoneinfo/"); ok {
			return zone
		}
	}
	return h.line("/etc/timezone")
}

// bootTime reads when the machine was started from /proc/stat.
func (h *host) bootTime() (time.Time, bool) {
	b, err := h.read("/proc/stat")
	if err != nil {
		return time.Time{}, false
	}
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(line, "btime "); ok {
			sec, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			return time.Unix(sec, 0).UTC(), err == nil && sec > 0 && sec < 1<<40
		}
	}
	return time.Time{}, false
}
