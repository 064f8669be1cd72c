package pipeline

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/regent-dev/regent/core/record"
)

// Metrics are what the pipeline counts.
type Metrics struct {
	records        *prometheus.CounterVec
	blocked        prometheus.Counter
	commit         prometheus.Histogram
	commitFailures prometheus.Counter
	judged         *prometheus.CounterVec
	rejudged       prometheus.Counter
	changes        *prometheus.CounterVec
	lateMatches    prometheus.Counter
	overflow       prometheus.Counter
}

// NewMetrics returns metrics that are registered with r, which may be nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regent_pipeline_records_total", Help: "Records by instance and by what became of them; read is the sum of the others.",
		}, []string{"instance", "outcome"}),
		blocked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "regent_pipeline_blocked_seconds_total", Help: "Time that collectors were held back because the daemon was behind.",
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "regent_pipeline_commit_seconds", Help: "Duration of transactions that store batches.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		commitFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "regent_pipeline_commit_failures_total", Help: "Transactions that failed and were tried again.",
		}),
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regent_pipeline_verdicts_total", Help: "Evaluations of compliance policies by outcome.",
		}, []string{"outcome"}),
		rejudged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "regent_pipeline_rejudged_total", Help: "Items judged again at commit because what they were judged on had changed.",
		}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regent_pipeline_changes_total", Help: "Changes handed to routing by class.",
		}, []string{"class"}),
		lateMatches: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "regent_pipeline_late_matches_total", Help: "Alarm matches that came later than the policy's lateness and changed no state.",
		}),
		overflow: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "regent_pipeline_overflow_matches_total", Help: "Alarm matches whose key was not followed because the policy had too many live keys.",
		}),
	}
	if r != nil {
		r.MustRegister(m.records, m.blocked, m.commit, m.commitFailures, m.judged, m.rejudged, m.changes, m.lateMatches, m.overflow)
	}
	return m
}

func (m *Metrics) batch(inst record.Instance, read, stored, duplicate, quarantined int) {
	for _, c := range [...]struct {
		outcome string
		n       int
	}{{"read", read}, {"stored", stored}, {"duplicate", duplicate}, {"quarantined", quarantined}} {
		if c.n > 0 {
			m.records.WithLabelValues(string(inst), c.outcome).Add(float64(c.n))
		}
	}
}
