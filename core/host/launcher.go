package host

import (
	"runtime"
	"sync"
)

// launcher starts processes from one OS thread that lives as long as the launcher. The kernel sends a
// child its parent-death signal when the thread that started it ends, not the process; Go ends and
// makes threads as it likes.
type launcher struct {
	calls chan func()
	once  sync.Once
	ended chan struct{}
}

func newLauncher() *launcher {
	l := &launcher{calls: make(chan func()), ended: make(chan struct{})}
	go l.run()
	return l
}

func (l *launcher) run() {
	defer close(l.ended)
	// The thread is not given back: what set it up for one child must not be met by others, and it
	// ends with this goroutine.
	runtime.LockOSThread()
	for call := range l.calls {
		call()
	}
}

// do runs f on the thread and returns what it returned. It must not be called after close.
func (l *launcher) do(f func() error) error {
	done := make(chan error, 1)
	l.calls <- func() { done <- f() }
	return <-done
}

// close ends the thread, and with it, on Linux, the processes that were started from it and live.
func (l *launcher) close() {
	l.once.Do(func() { close(l.calls) })
	<-l.ended
}
