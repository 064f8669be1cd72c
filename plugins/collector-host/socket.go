package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regent-dev/regent/plugins/collector-host/internal/procfs"
)

// sockets are the machine's listening sockets with the processes that have them, as one look at /proc
// shows them.
type sockets struct {
	listeners []*listener
	processes []*process
	// err says why the listing of sockets is not complete, ownersErr that of processes.
	err, ownersErr error
}

// listener is every socket that listens at one address and port.
type listener struct {
	id, protocol string
	socket       procfs.Socket
	uids         []uint32
	processes    []*process
}

// process is every running process with the same program, user and service: the workers of a server
// are one.
type process struct {
	id, name, executable, script, unit, container string
	// replaced is true where the program's file is no longer the one that runs.
	replaced        bool
	uid, gid        uint32
	arguments       []string
	noNewPrivileges bool
	seccomp         string
	capabilities    uint64
	pids            []int
	started         uint64
	listeners       []*listener
}

// settled remembers which UDP sockets with a port of the kernel's choosing are services. One that is
// still there in the next pass is; so is one at an address where there was one before, or a service
// would be gone for a pass after every restart.
type settled struct {
	// sockets are those of the last pass, by table and inode; ids are listeners that were recorded.
	sockets, ids map[string]bool
}

// maxSettled bounds what a cursor holds.
const maxSettled = 1000

// look scans /proc once in a pass.
func (s *scan) look(ctx context.Context) *sockets {
	if s.sockets != nil {
		return s.sockets
	}
	out := &sockets{}
	s.sockets = out
	byInode, err := s.listening(out)
	out.err = err
	if len(byInode) == 0 {
		return out
	}
	out.ownersErr = errors.Join(err, s.ownersOf(ctx, byInode, out))
	for _, p := range out.processes {
		slices.Sort(p.pids)
		slices.SortFunc(p.listeners, func(a, b *listener) int { return strings.Compare(a.id, b.id) })
		p.listeners = slices.Compact(p.listeners)
	}
	for _, l := range out.listeners {
		slices.SortFunc(l.processes, func(a, b *process) int { return strings.Compare(a.id, b.id) })
		l.processes = slices.Compact(l.processes)
	}
	files := make([]string, 0, len(out.processes))
	for _, p := range out.processes {
		if p.onHost() {
			files = append(files, p.executable)
		}
	}
	s.owners.look(ctx, files, false)
	return out
}

// onHost reports whether the program's path is one of the machine's own file system.
func (p *process) onHost() bool { return p.executable != "" && p.container == "" }

// listening reads the tables of sockets. The first process's are the machine's own even where the
// collector is confined to a network of its own.
func (s *scan) listening(out *sockets) (map[uint64]*listener, error) {
	byInode := map[uint64]*listener{}
	byID := map[string]*listener{}
	now := settled{sockets: map[string]bool{}, ids: map[string]bool{}}
	low, high := s.ephemeralPorts()
	var errs []error
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := s.tree.ReadFile("/proc/1/net/"+table, maxDatabase)
		if err != nil {
			b, err = s.tree.ReadFile("/proc/net/"+table, maxDatabase)
		}
		if err != nil {
			errs = append(errs, present(err)) // a kernel without IPv6 has no tables of it
			continue
		}
		protocol := strings.TrimSuffix(table, "6")
		found, err := procfs.ParseSockets(b, protocol == "udp")
		errs = append(errs, inFile("/proc/net/"+table, err))
		for _, sock := range found {
			port := sock.Local.Port()
			id := fmt.Sprintf("%s/%s/%d", protocol, sock.Local.Addr(), port)
			// A UDP socket with a port that the kernel chose is mostly a question waiting for its answer.
			if protocol == "udp" && port >= low && port <= high {
				key := fmt.Sprintf("%s/%d", table, sock.Inode)
				now.sockets[key] = true
				if !s.settled.sockets[key] && !s.settled.ids[id] {
					continue
				}
				now.ids[id] = true
			}
			l := byID[id]
			if l == nil {
				l = &listener{id: id, protocol: protocol, socket: sock}
				byID[id] = l
				out.listeners = append(out.listeners, l)
			}
			l.uids = append(l.uids, sock.UID)
			byInode[sock.Inode] = l
		}
	}
	s.settled = now
	slices.SortFunc(out.listeners, func(a, b *listener) int { return strings.Compare(a.id, b.id) })
	return byInode, errors.Join(errs...)
}

// ephemeralPorts is the range from which the kernel chooses ports.
func (s *scan) ephemeralPorts() (low, high uint16) {
	f := strings.Fields(s.line("/proc/sys/net/ipv4/ip_local_port_range"))
	if len(f) == 2 {
		a, err1 := strconv.ParseUint(f[0], 10, 16)
		b, err2 := strconv.ParseUint(f[1], 10, 16)
		if err1 == nil && err2 == nil {
			return uint16(a), uint16(b)
		}
	}
	return 32768, 60999
}

// ownersOf finds the processes that have the sockets open.
func (s *scan) ownersOf(ctx context.Context, byInode map[uint64]*listener, out *sockets) error {
	names, err := s.tree.Names("/proc")
	if err != nil {
		return err
	}
	byID := map[string]*process{}
	denied := 0
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		owned, err := s.owned(pid, byInode)
		if errors.Is(err, fs.ErrPermission) {
			denied++
		}
		if len(owned) == 0 {
			continue // also where the process has ended meanwhile
		}
		p := s.process(pid)
		if p == nil {
			continue
		}
		if was := byID[p.id]; was != nil {
			was.merge(p)
			p = was
		} else {
			byID[p.id] = p
			out.processes = append(out.processes, p)
		}
		for _, l := range owned {
			p.listeners = append(p.listeners, l)
			l.processes = append(l.processes, p)
		}
	}
	slices.SortFunc(out.processes, func(a, b *process) int { return strings.Compare(a.id, b.id) })
	orphans := 0
	for _, l := range out.listeners {
		if len(l.processes) == 0 {
			orphans++
		}
	}
	if denied > 0 && orphans > 0 {
		return fmt.Errorf("the processes of %d listening sockets are not known, because the files of %d processes may not be looked at: %w",
			orphans, denied, fs.ErrPermission)
	}
	return nil
}

// owned returns the listeners among a process's open files.
func (s *scan) owned(pid int, byInode map[uint64]*listener) ([]*listener, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := s.tree.Names(dir)
	if err != nil {
		return nil, err
	}
	var out []*listener
	for _, fd := range fds {
		target, err := s.tree.Readlink(path.Join(dir, fd))
		if errors.Is(err, fs.ErrPermission) {
			return out, err
		}
		if err != nil {
			continue
		}
		if inode, ok := procfs.SocketInode(target); ok && byInode[inode] != nil {
			out = append(out, byInode[inode])
		}
	}
	return out, nil
}

// process describes a running process, nil where it has ended.
func (s *scan) process(pid int) *process {
	dir := fmt.Sprintf("/proc/%d/", pid)
	b, err := s.read(dir + "status")
	if err != nil {
		return nil
	}
	st, err := procfs.ParseStatus(b)
	if err != nil {
		return nil
	}
	p := &process{
		name: st.Name, uid: st.UID, gid: st.GID, noNewPrivileges: st.NoNewPrivs, seccomp: st.Seccomp, capabilities: st.Capabilities,
		pids: []int{pid},
	}
	if exe, err := s.tree.Readlink(dir + "exe"); err == nil {
		p.executable, p.replaced = strings.CutSuffix(exe, " (deleted)")
	}
	if b, err := s.read(dir + "cmdline"); err == nil {
		p.arguments = procfs.ParseArguments(b)
	}
	if b, err := s.read(dir + "cgroup"); err == nil {
		c := procfs.ParseCgroup(b)
		p.unit, p.container = c.Unit, c.Container
	}
	if b, err := s.read(dir + "stat"); err == nil {
		p.started, _ = procfs.ParseStart(b)
	}
	p.script = script(p.executable, p.arguments)
	p.id = p.identity(s.who().user[p.uid])
	return p
}

// identity names a process without its pid, so that a restart is not another resource: by its
// program, the script it runs, its user, and its container or service.
func (p *process) identity(user string) string {
	id := cmp.Or(p.executable, "["+p.name+"]")
	if p.script != "" {
		id += " " + p.script
	}
	id += "@" + cmp.Or(user, strconv.FormatUint(uint64(p.uid), 10))
	switch {
	case p.container != "":
		id += " in " + p.container[:12]
	case strings.HasSuffix(p.unit, ".service"):
		id += " in " + p.unit
	}
	return id
}

// merge adds another process of the same identity. The oldest describes them.
func (p *process) merge(o *process) {
	pids := append(p.pids, o.pids...)
	if o.started < p.started {
		listeners := p.listeners
		*p = *o
		p.listeners = listeners
	}
	p.pids = pids
}

// interpreter matches programs that run another file, which says more than they do.
var interpreter = regexp.MustCompile(`^(python|pypy|perl|ruby|node|nodejs|php|php-fpm|java|bash|dash|sh|lua|mono|dotnet|beam\.smp)[0-9.]*$`)

// script returns what an interpreter runs: the script, "-m module", or the jar; "" for programs that
// are no interpreters.
func script(executable string, arguments []string) string {
	if !interpreter.MatchString(path.Base(executable)) {
		return ""
	}
	for i := 1; i < len(arguments); i++ {
		switch a := arguments[i]; {
		case (a == "-m" || a == "-jar") && i+1 < len(arguments):
			return a + " " + arguments[i+1]
		case a == "-c" || a == "-e":
			return "" // a program on the command line names nothing
		case (a == "-cp" || a == "-classpath" || a == "-W" || a == "-X") && i+1 < len(arguments):
			i++
		case !strings.HasPrefix(a, "-"):
			return hideSecrets(a)
		}
	}
	return ""
}

// startTime turns clock ticks since boot into a time. Linux tells user space 100 ticks a second on
// every architecture there is.
func (s *scan) startTime(ticks uint64) string {
	boot, ok := s.bootTime()
	if !ok || ticks == 0 || ticks > 1<<50 {
		return ""
	}
	return boot.Add(time.Duration(ticks/100) * time.Second).Format(time.RFC3339)
}
