package host

import (
	"time"

	"github.com/regent-dev/regent/core/record"
)

// State is where an instance stands.
type State string

// The states of an instance.
const (
	// StateDeclared is an instance that was not begun with yet.
	StateDeclared State = "declared"
	// StateVerifying reads and checks the binary.
	StateVerifying State = "verifying"
	// StateStarting waits for the handshake and for what the plugin says of itself.
	StateStarting State = "starting"
	// StateConfiguring waits for the plugin to take its configuration.
	StateConfiguring State = "configuring"
	StateRunning     State = "running"
	// StateBackoff waits to be started again.
	StateBackoff State = "backoff"
	// StateFailed does the same after too many failures in a row, at the slow end.
	StateFailed State = "failed"
	// StateStopped is an instance that is no longer declared and about to go.
	StateStopped State = "stopped"
)

// InstanceStatus is the state of an instance for people and machines.
type InstanceStatus struct {
	Instance record.Instance `json:"instance"`
	// Plugin is the plugin's name in the configuration, Version its own word.
	Plugin     string `json:"plugin"`
	Path       string `json:"path"`
	SHA256     string `json:"sha256,omitempty"`
	Version    string `json:"version,omitempty"`
	SDKVersion string `json:"sdkVersion,omitempty"`
	State      State  `json:"state"`
	// Since is when the state was entered.
	Since time.Time `json:"since"`
	// PID is the process that serves, 0 where none does.
	PID int `json:"pid,omitempty"`
	// Started is when that process was started, Restarts how often one was started after a failure.
	Started  time.Time `json:"started,omitzero"`
	Restarts int       `json:"restarts"`
	Healthy  bool      `json:"healthy"`
	// Summary and Detail say what is wrong; they are empty where nothing is.
	Summary string `json:"summary,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// Crash is the last failure to keep a process running; it stays after the instance has recovered.
	Crash *Crash `json:"crash,omitempty"`
	// Next is when the process is started again, zero where it runs.
	Next time.Time `json:"next,omitzero"`
	// Outdated says that the process still runs with an earlier configuration, because the present
	// one was refused.
	Outdated bool `json:"outdated,omitempty"`
	// Records and LastMessage count what a collector sent since the daemon started, Runs how often it
	// has finished. NextRun is when it begins again, zero where it runs or is done.
	Records     uint64    `json:"records,omitempty"`
	LastMessage time.Time `json:"lastMessage,omitzero"`
	Runs        int       `json:"runs,omitempty"`
	NextRun     time.Time `json:"nextRun,omitzero"`
}

// Health is a change in how well an instance does.
type Health struct {
	Instance record.Instance
	Plugin   string
	State    State
	Healthy  bool
	// Summary is one sentence, Detail may be many lines; both are empty where Healthy is true.
	Summary, Detail string
	At              time.Time
}

// trouble is one reason for which an instance is not healthy.
type trouble struct{ summary, detail string }

// The kinds of trouble, the gravest first.
const (
	// troubleProcess: no process serves.
	troubleProcess = iota
	// troubleConfig: the configuration was refused and an earlier one is in force.
	troubleConfig
	// troubleRun: runs of the collector fail.
	troubleRun
	troubleKinds
)

// setTrouble notes trouble of a kind, or with nil its end, and tells a change of the whole.
func (in *instance) setTrouble(kind int, t *trouble) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.troubles[kind] = t
	var worst trouble
	for _, t := range in.troubles {
		if t != nil {
			worst = *t
			break
		}
	}
	st := &in.status
	// The detail changes with each failure, and each failure of the same sort is no news.
	told := in.told && st.Summary == worst.summary
	in.told = true
	st.Summary, st.Detail, st.Healthy = worst.summary, worst.detail, worst == trouble{}
	if !told {
		in.h.teller.add(Health{Instance: in.name, Plugin: st.Plugin, State: st.State, Healthy: st.Healthy, Summary: worst.summary, Detail: worst.detail, At: time.Now()})
	}
}

// setState enters a state.
func (in *instance) setState(s State) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.status.State != s {
		in.status.State, in.status.Since = s, time.Now()
	}
}

// update changes the status.
func (in *instance) update(f func(*InstanceStatus)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f(&in.status)
}

// snapshot returns a copy of the status.
func (in *instance) snapshot() InstanceStatus {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.status
}
