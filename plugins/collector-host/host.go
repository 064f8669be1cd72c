package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/regent-dev/regent/plugins/collector-host/internal/rootfs"
	"github.com/regent-dev/regent/sdk"
)

const (
	// region is the region of all resources: a machine has no other.
	region = "local"
	// maxText bounds configuration files, maxDatabase the package managers' and the kernel's tables.
	maxText     = 4 << 20
	maxDatabase = 256 << 20
	// programTimeout bounds a program that is asked, maxOutput what it says.
	programTimeout = 30 * time.Second
	maxOutput      = 256 << 20
)

// program runs a program of the machine and returns what it prints. It is nil where the tree is not
// the running machine's.
type program func(ctx context.Context, name string, args ...string) ([]byte, error)

// host is the machine that is read.
type host struct {
	tree    *rootfs.Tree
	run     program
	log     *slog.Logger
	cfg     config
	every   time.Duration
	account string
	// invented is true where the machine has no id and the collector made one up.
	invented bool
	owners   *owners
	rpm      rpmCache
	sums     *sums
	settled  settled
}

func newHost(cfg config, env sdk.Env) (*host, error) {
	h := &host{
		tree:  rootfs.New(cfg.Root),
		log:   env.Log,
		cfg:   cfg,
		every: env.Every,
		sums:  newSums(),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.every <= 0 {
		h.every = time.Minute
	}
	if h.tree.Live() {
		h.run = runProgram
	}
	h.owners = newOwners(h)
	var err error
	h.account, h.invented, err = machineID(h.tree, cfg.MachineID, env.StateDir)
	return h, err
}

// machineID finds what identifies the machine: the configuration's word, systemd's or D-Bus's id of
// this installation, or the one the hardware has. A machine with none of them, such as a minimal
// container, gets a random one, which is kept in the instance's folder.
func machineID(tree *rootfs.Tree, configured, stateDir string) (id string, invented bool, err error) {
	if configured != "" {
		return configured, false, nil
	}
	for _, name := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid"} {
		b, err := tree.ReadFile(name, maxText)
		if id := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")); err == nil && validMachineID(id) {
			return id, false, nil
		}
	}
	name := filepath.Join(stateDir, "machine-id")
	b, err := os.ReadFile(name)
	if id := strings.TrimSpace(string(b)); err == nil && validMachineID(id) {
		return id, true, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("read the machine's id: %w", err)
	}
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", false, fmt.Errorf("make up a machine id: %w", err)
	}
	id = hex.EncodeToString(raw[:])
	if err := os.WriteFile(name, []byte(id+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("keep the machine's id: %w", err)
	}
	return id, true, nil
}

// validMachineID reports whether id is 32 hexadecimal digits, not all alike: firmware that was never
// given a number says zeros or Fs.
func validMachineID(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" && strings.Trim(id, id[:1]) != ""
}

// read reads a file of text.
func (h *host) read(name string) ([]byte, error) { return h.tree.ReadFile(name, maxText) }

// line reads a file of one line, "" where it cannot be read.
func (h *host) line(name string) string {
	b, err := h.read(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.TrimRight(string(b), "\x00\n"))
}

// ReadFile, Names and Glob let the parsers of files that include others read them.
func (h *host) ReadFile(name string) ([]byte, error) { return h.read(name) }

// Names lists a folder.
func (h *host) Names(name string) ([]string, error) { return h.tree.Names(name) }

// Glob lists files by a pattern.
func (h *host) Glob(pattern string) ([]string, error) { return h.tree.Glob(pattern) }

// runProgram runs a program without a shell, with an environment of its own so that its output does
// not depend on the daemon's language.
func runProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	path, err := lookProgram(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}
	cmd.WaitDelay = time.Second
	var out, errs bounded
	out.max, errs.max = maxOutput, 4096
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(errs.b.String()), "\n")
		return nil, fmt.Errorf("run %s: %w (%s)", name, err, said)
	}
	if out.cut {
		return nil, fmt.Errorf("run %s: it prints more than %d bytes", name, maxOutput)
	}
	return out.b.Bytes(), nil
}

// lookProgram finds a program in the system's folders, whatever the daemon's PATH is.
func lookProgram(name string) (string, error) {
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"} {
		p := filepath.Join(dir, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("program %s: %w", name, exec.ErrNotFound)
}

// bounded keeps the first max bytes and drops the rest.
type bounded struct {
	b   bytes.Buffer
	max int
	cut bool
}

func (w *bounded) Write(p []byte) (int, error) {
	if room := w.max - w.b.Len(); room < len(p) {
		w.cut = true
		w.b.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return w.b.Write(p)
}
