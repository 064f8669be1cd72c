package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// condition tells scripts what this system lets them do. [mount] is the right to mount file systems.
func condition(cond string) (bool, error) {
	if cond != "mount" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return false, nil
	}
	// Containers often run as root and may not mount for all that.
	dir, err := os.MkdirTemp("", "regent-mount-")
	if err != nil {
		return false, err
	}
	defer os.Remove(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return false, nil
	}
	return true, unix.Unmount(dir, 0)
}

// tmpfs mounts an empty file system of a size: `tmpfs DIR 4m`.
func tmpfs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]+",mode=0755"))
	ts.Defer(func() {
		// The daemon may still hold files of it.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			ts.Logf("unmount: %v", err)
		}
	})
}

// remount makes a mounted folder read-only, or writable again: `remount DIR ro|rw`.
func remount(ts *testscript.TestScript, _ bool, args []string) {
	flags := uintptr(unix.MS_REMOUNT)
	if args[1] == "ro" {
		flags |= unix.MS_RDONLY
	}
	ts.Check(unix.Mount("", ts.MkAbs(args[0]), "", flags, ""))
}

// fill writes to a file until the disk is full: `fill FILE`.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer f.Close()
	for size := 64 << 10; size > 0; {
		n, err := f.Write(bytes.Repeat([]byte("x"), size))
		if errors.Is(err, syscall.ENOSPC) && n == 0 {
			// The last bytes count: a page is all that a small commit needs.
			size /= 2
		} else if !errors.Is(err, syscall.ENOSPC) {
			ts.Check(err)
		}
	}
}

// zip compresses a file: `zip FROM TO`.
func zip(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, ts.ReadFile(args[0]))
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o600))
}

// head writes the beginning of a file to another, in place: `head BYTES FROM TO`. A negative number
// leaves so many bytes out at the end.
func head(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text := ts.ReadFile(args[1])
	if n < 0 {
		n += len(text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text[:n]), 0o600))
}

// scribble overwrites bytes of a file: `scribble FILE OFFSET COUNT`.
func scribble(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	count, err := strconv.Atoi(args[2])
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt(bytes.Repeat([]byte("scribble"), count/8+1)[:count], offset)
	ts.Check(errors.Join(err, f.Close()))
}

// ask makes a request of the daemon's socket: `ask METHOD PATH STATUS`. The body goes to standard output.
func ask(ts *testscript.TestScript, neg bool, args []string) {
	socket := filepath.Join(ts.Getenv("REGENT_DATA_DIR"), "regent.sock")
	hc := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequest(args[0], "http://regent"+args[1], nil)
	ts.Check(err)
	res, err := hc.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
	if (strconv.Itoa(res.StatusCode) == args[2]) == neg {
		ts.Fatalf("%s %s was answered with %s: %s", args[0], args[1], res.Status, body)
	}
}

// listen gives the script an address in $HOOK where nobody listens, and the second time serves it: each
// request's Idempotency-Key and body become a line of hooks.
func listen(ts *testscript.TestScript, _ bool, _ []string) {
	address := ts.Getenv("HOOK")
	l, err := net.Listen("tcp", strings.TrimPrefix(cmp.Or(address, "127.0.0.1:0"), "http://"))
	ts.Check(err)
	if address == "" {
		ts.Setenv("HOOK", "http://"+l.Addr().String())
		ts.Check(l.Close())
		return
	}
	f, err := os.OpenFile(ts.MkAbs("hooks"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	var mu sync.Mutex
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			_, err = fmt.Fprintf(f, "%s %s\n", r.Header.Get("Idempotency-Key"), bytes.ReplaceAll(body, []byte("\n"), []byte(" ")))
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	ts.Defer(func() {
		s.Close()
		<-served
		f.Close()
	})
}

// orphans waits until no process is left that works in the script's data folder, as every plugin does.
// `! orphans` fails where there is none: it shows that the looking finds them.
func orphans(ts *testscript.TestScript, neg bool, _ []string) {
	dir, err := filepath.EvalSymlinks(ts.Getenv("REGENT_DATA_DIR"))
	ts.Check(err)
	var found []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		found = nil
		links, err := filepath.Glob("/proc/[0-9]*/cwd")
		ts.Check(err)
		for _, link := range links {
			// Processes that end meanwhile, and those of others, cannot be read.
			if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir+"/") {
				found = append(found, link+" "+cwd)
			}
		}
		if (len(found) > 0) == neg {
			return
		}
	}
	ts.Fatalf("processes in %s: %v", dir, found)
}
