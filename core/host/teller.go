package host

import "sync"

// maxUntold bounds the changes of health that wait to be told.
const maxUntold = 1000

// teller calls OnHealth from a goroutine of its own, in order: whoever is told may have to write the
// news down first, and meanwhile processes must be watched and started.
type teller struct {
	tell func(Health)

	mu     sync.Mutex
	queue  []Health
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

func newTeller(tell func(Health)) *teller {
	t := &teller{tell: tell, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go t.run()
	return t
}

func (t *teller) run() {
	defer close(t.done)
	for range t.wake {
		for {
			t.mu.Lock()
			if len(t.queue) == 0 {
				closed := t.closed
				t.mu.Unlock()
				if closed {
					return
				}
				break
			}
			h := t.queue[0]
			t.queue = t.queue[1:]
			t.mu.Unlock()
			t.tell(h)
		}
	}
}

// add queues news. Where nobody has listened for very long, the oldest give way.
func (t *teller) add(h Health) {
	t.mu.Lock()
	if len(t.queue) >= maxUntold {
		t.queue = t.queue[1:]
	}
	t.queue = append(t.queue, h)
	t.mu.Unlock()
	t.signal()
}

// close lets run end when all is told.
func (t *teller) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.signal()
}

func (t *teller) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
