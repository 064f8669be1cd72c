package host

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit is how a process ended.
type Exit struct {
	// Code is the exit status, -1 where a signal ended the process.
	Code   int
	Signal syscall.Signal
	Core   bool
	// Reason is why the host ended the process, "" where it ended by itself.
	Reason string
	At     time.Time
	Uptime time.Duration
}

// String says how the process ended, as the end of a sentence: "ended with status 2".
func (e Exit) String() string {
	var b strings.Builder
	switch {
	case e.Reason != "":
		fmt.Fprintf(&b, "was ended because %s", e.Reason)
	case e.Signal == syscall.SIGKILL:
		b.WriteString("was ended by SIGKILL, which the kernel also sends when memory runs out")
	case e.Signal != 0:
		name := unix.SignalName(e.Signal)
		if name == "" {
			name = fmt.Sprintf("signal %d", int(e.Signal))
		}
		fmt.Fprintf(&b, "was ended by %s", name)
	default:
		fmt.Fprintf(&b, "ended with status %d", e.Code)
	}
	if e.Core {
		b.WriteString(" (core dumped)")
	}
	return b.String()
}

// Crash is the report of a process that ended without being asked to, or that could not be made to
// work.
type Crash struct {
	At time.Time `json:"at"`
	// Phase is the state that the instance was in.
	Phase State `json:"phase"`
	// Summary says in one sentence what happened.
	Summary string `json:"summary"`
	// Uptime is how long the process ran, 0 where none was started.
	Uptime time.Duration `json:"uptime"`
	// Lines are the last lines of the plugin's output, or those from the beginning of a panic on.
	Lines []string `json:"lines,omitempty"`
	// Count is how many times in a row the instance has crashed.
	Count int `json:"count"`
	// Next is when it will be started again.
	Next time.Time `json:"next,omitzero"`
}

// String returns the report as text for a person, several lines long.
func (c *Crash) String() string { return c.Summary + ".\n" + c.Detail() }

// Detail returns the report without its summary.
func (c *Crash) Detail() string {
	var b strings.Builder
	if c.Uptime > 0 {
		fmt.Fprintf(&b, "It ran for %s. ", roundUptime(c.Uptime))
	}
	if len(c.Lines) > 0 {
		b.WriteString("It wrote last:")
		for _, line := range c.Lines {
			b.WriteString("\n  " + line)
		}
	} else {
		b.WriteString("It wrote nothing.")
	}
	if !c.Next.IsZero() {
		fmt.Fprintf(&b, "\nIt is started again at %s (%s in a row).", c.Next.UTC().Format(time.RFC3339), times(c.Count))
	}
	return b.String()
}

func times(n int) string {
	if n == 1 {
		return "1 failure"
	}
	return fmt.Sprintf("%d failures", n)
}

func roundUptime(d time.Duration) time.Duration {
	switch {
	case d > time.Minute:
		return d.Round(time.Second)
	case d > time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
