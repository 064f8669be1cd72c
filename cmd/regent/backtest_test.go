package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/backtest"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// backtestAlarms are alarms beside those that come with Regent: windows, different values, keys of their
// own, and little patience for the late.
const backtestAlarms = `# METADATA
# title: Refused often
# custom: {severity: low, on: event, window: {count: 4, within: 5m}, lateness: 2m, clear_after: 7m}
package alarms.own.refused

alarm contains {"msg": $"{input.event.actor.id} was refused"} if input.event.error.code == "AccessDenied"
---
# METADATA
# title: Many addresses
# custom: {severity: low, on: event, window: {count: 5, within: 10m, distinct: true}}
package alarms.own.addresses

alarm contains {"msg": "many addresses", "key": input.event.accountId, "value": input.event.origin.address} if input.event.source == "aws.cloudtrail"
---
# METADATA
# title: Any call
# custom: {severity: info, on: event, clear_after: 1m}
package alarms.own.calls

alarm contains {"msg": "a call", "key": ""} if input.event.action == "s3:GetObject"
`

// writeActivity writes CloudTrail records of many kinds in an order of arrival that is not that of their
// times: most come within minutes, some half an hour late, some twice.
func writeActivity(tb testing.TB, path string, n int) {
	tb.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	calls := []struct{ service, name, params string }{
		{"s3", "GetObject", `{"bucketName":"b"}`},
		{"secretsmanager", "GetSecretValue", `{"secretId":"s%d"}`},
		{"ec2", "DescribeInstanceAttribute", `{"attribute":"userData","instanceId":"i-%d"}`},
		{"ec2", "GetPasswordData", `{"instanceId":"i-%d"}`},
		{"cloudtrail", "StopLogging", `{"name":"t%d"}`},
		{"ssm", "SendCommand", `{"documentName":"AWS-RunShellScript","instanceIds":["i-%d"]}`},
		{"organizations", "LeaveOrganization", `{"n":"%d"}`},
		{"iam", "CreateUser", `{"userName":"u%d"}`},
	}
	at := time.Now().UTC().Add(-48 * time.Hour).Truncate(time.Second)
	var last string
	for i := range n {
		if i%50 == 7 {
			fmt.Fprintln(w, last)
			continue
		}
		c := calls[rnd.IntN(len(calls))]
		at = at.Add(time.Duration(rnd.IntN(20)) * time.Second)
		late := time.Duration(rnd.IntN(240)) * time.Second
		if rnd.IntN(30) == 0 {
			late += 30 * time.Minute
		}
		fault := ""
		if rnd.IntN(4) == 0 {
			fault = `"errorCode":"AccessDenied","errorMessage":"no",`
		}
		params := strings.ReplaceAll(c.params, "%d", fmt.Sprint(rnd.IntN(60)))
		user, account := rnd.IntN(12), 111122223333+rnd.IntN(2)
		last = fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA%d","arn":"arn:aws:iam::%d:user/u%d","accountId":"%[2]d","userName":"u%[3]d"},"eventTime":%q,"eventSource":"%s.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.%d","userAgent":"aws-cli",%s"requestParameters":%s,"responseElements":null,"requestID":"r%d","eventID":%q,"readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"%[2]d","eventCategory":"Management"}`,
			user, account, user, at.Add(-late).Format(time.RFC3339), c.service, c.name, rnd.IntN(20), fault, params, i, uuidOf(i))
		fmt.Fprintln(w, last)
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		tb.Fatal(err)
	}
}

// firedEpisode is what an episode of the daemon and one of a backtest must have in common.
type firedEpisode struct {
	Policy             verdict.PolicyID
	Account, Key       string
	StartedAt, EndedAt time.Time
	Matches            int64
	ID                 string
}

func firedOf(ep *verdict.Episode) firedEpisode {
	f := firedEpisode{Policy: ep.Policy, Account: ep.AccountID, Key: ep.Key, StartedAt: ep.StartedAt, Matches: ep.Matches, ID: ep.ID}
	if ep.EndedAt != nil {
		f.EndedAt = *ep.EndedAt
	}
	return f
}

func sortFired(all []firedEpisode) {
	slices.SortFunc(all, func(a, b firedEpisode) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// regentOutput runs the real program and returns what it printed and its exit code.
func regentOutput(tb testing.TB, args ...string) (stdout, stderr string, code int) {
	tb.Helper()
	cmd := exec.Command(filepath.Join(bin, "regent"), args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// recordedEvents writes the events that a daemon recorded as its history gives them, in the order of
// arrival, and returns how many there are. Where the daemon gives no history it is stopped, and its journal
// is read.
func recordedEvents(t *testing.T, d *bench, path string) (n int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if body, err := d.stream(t.Context(), "/v1/history/events", url.Values{}); err == nil {
		defer body.Close()
		lines := bufio.NewReader(body)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				break
			}
			if n++; bytes.HasPrefix(line, []byte(`{"end":true`)) {
				n--
			}
			if _, err := z.Write(line); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		d.stop()
		n = journalEvents(t, filepath.Join(d.dir, "d"), json.NewEncoder(z))
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

// journalEvents writes the events of a data folder's journal.
func journalEvents(t *testing.T, dir string, to *json.Encoder) (n int64) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for after := int64(0); ; {
		var batches []store.EventBatch
		if err := s.View(t.Context(), func(tx *store.Tx) (err error) { batches, err = tx.EventBatches(after, 8<<20); return err }); err != nil {
			t.Fatal(err)
		}
		if len(batches) == 0 {
			return n
		}
		for _, b := range batches {
			after = b.Seq
			for i, body := range b.Bodies {
				n++
				var ev struct{ Time time.Time }
				if err := json.Unmarshal(body, &ev); err != nil {
					t.Fatal(err)
				}
				row := struct {
					Number   int64           `json:"number"`
					Time     time.Time       `json:"time"`
					Received time.Time       `json:"received"`
					Instance string          `json:"instance"`
					Record   json.RawMessage `json:"record"`
				}{b.First + int64(i), ev.Time, b.Received, string(b.Instance), body}
				if err := to.Encode(row); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestBacktestFiresAsTheDaemonDoes holds the firing list of a backtest against the episodes of a daemon
// that met the same records in the same order, and the bytes that a backtest prints against one another
// whatever number of processors it has.
func TestBacktestFiresAsTheDaemonDoes(t *testing.T) {
	t.Parallel()
	in := filepath.Join(t.TempDir(), "trail.json")
	const n = 6000
	writeActivity(t, in, n)
	backtestAgainstDaemon(t, in, n, true)
}

// TestBacktestOfAMillionRecords does the same for as many records as REGENT_BACKTEST_RECORDS says, made of
// the real ones beside the repository, with the rate at which the backtest took them.
func TestBacktestOfAMillionRecords(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("REGENT_BACKTEST_RECORDS"))
	if err != nil {
		t.Skip("takes minutes; `make soak` runs it, or REGENT_BACKTEST_RECORDS=1000000")
	}
	tool := realData(t, "..", "tools", "amplify_cloudtrail.py")
	in := filepath.Join(t.TempDir(), "trail.ndjson")
	if out, err := exec.Command("python3", tool, strconv.Itoa(n), in).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	backtestAgainstDaemon(t, in, int64(n), false)
}

// TestBacktestIsInterrupted sends the real program the signal of Ctrl-C in the middle.
func TestBacktestIsInterrupted(t *testing.T) {
	t.Parallel()
	in := filepath.Join(t.TempDir(), "events.ndjson")
	writeHistory(t, in, 300_000)
	tmp := t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "regent"), "backtest", "alarms.aws.*", "--input", in)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It is in its middle once it has kept firings, which it does in its folder.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		kept, err := filepath.Glob(filepath.Join(tmp, "*", "0", "firings.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not begin")
		}
	}
	time.Sleep(200 * time.Millisecond)
	sent := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	// The exit code is looked at below.
	_ = cmd.Wait()
	if took := time.Since(sent); took > 5*time.Second {
		t.Errorf("it went on for %s", took)
	}
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(errOut.String(), "interrupted after 0 items and ") {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	if !strings.Contains(out.String(), "INCOMPLETE: it was interrupted") {
		t.Errorf("not marked: %s", out.String()[max(0, out.Len()-300):])
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left behind (%v)", left, err)
	}
}

// TestBacktestMemory runs the real program over ten times as much, and holds the most memory that it took
// to nearly the same.
func TestBacktestMemory(t *testing.T) {
	if os.Getenv("REGENT_BACKTEST_MEMORY") == "" {
		t.Skip("takes minutes; `make soak` runs it, or REGENT_BACKTEST_MEMORY=1")
	}
	run := func(name string, write func(path string), args ...string) float64 {
		in := filepath.Join(t.TempDir(), "in.ndjson")
		write(in)
		cmd := exec.Command(filepath.Join(bin, "regent"), append([]string{"backtest", "--summary", "--input", in}, args...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		began := time.Now()
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitFindings) {
			t.Fatalf("%s: %v: %s", name, err, exit.Stderr)
		}
		mib := float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
		t.Logf("%s: %.0f MiB in %s; %s", name, mib, time.Since(began).Round(time.Second), out[bytes.LastIndexByte(bytes.TrimSpace(out), '\n')+1:])
		return mib
	}
	events := func(n int) float64 {
		return run(fmt.Sprint(n, " events"), func(path string) { writeHistory(t, path, n) }, "alarms.aws.*")
	}
	items := func(n int) float64 {
		return run(fmt.Sprint(n, " resources"), func(path string) { writeVolumes(t, path, n) }, "compliance.aws.*")
	}
	for name, of := range map[string]func(int) float64{"events": events, "items": items} {
		scale := 100_000
		if name == "items" {
			scale = 10_000
		}
		small, large := of(scale), of(10*scale)
		if large > 1.5*small+64 || large > 500 {
			t.Errorf("%s: %.0f MiB for ten times as much, %.0f before", name, large, small)
		}
	}
}

// writeVolumes writes items of so many volumes, each with two versions.
func writeVolumes(tb testing.TB, path string, n int) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 2 * n {
		fmt.Fprintf(w, `{"accountId":"111122223333","region":"eu-west-1","resourceType":"AWS::EC2::Volume","resourceId":"vol-%d","configurationItemCaptureTime":%q,"configuration":{"volumeId":"vol-%[1]d","encrypted":%[3]v,"size":%[4]d,"state":"in-use","attachments":[{"instanceId":"i-%[1]d","device":"/dev/sda1"}]},"tags":{"team":"t%[5]d"}}`+"\n",
			i%n, start.Add(time.Duration(i)*time.Second).Format(time.RFC3339), (i+i/n)%10 != 0, i, i%50)
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		tb.Fatal(err)
	}
}

// backtestAgainstDaemon records a file of CloudTrail records with a daemon, and runs its alarms again over
// what it recorded.
func backtestAgainstDaemon(t *testing.T, in string, n int64, messy bool) {
	t.Helper()
	dir, err := os.MkdirTemp("", "bt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	own := filepath.Join(dir, "p")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, text := range strings.Split(backtestAlarms, "---\n") {
		if err := os.WriteFile(fmt.Sprintf("%s/%d.rego", own, i), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := runDaemon(t, dir, fmt.Sprintf(`
notify_max_age = "10000d"
policies {
  builtin = ["alarms.aws.*"]
  path    = %q
}
collector "files" "trail" {
  config {
    paths  = [%q]
    format = "cloudtrail"
    follow = false
  }
}
`, own, in))
	s, _ := d.until("all records and no open alarm", time.Minute+time.Duration(n/2000)*time.Second, func(s api.Status) bool { return s.Sum.Read >= n && s.Alarms.Active == 0 })
	if s.Sum.Quarantined != 0 || messy && s.Sum.Duplicate == 0 || s.Alarms.All < 100 {
		t.Fatalf("%+v, %+v: want none in quarantine, some duplicates and at least 100 episodes", s.Sum, s.Alarms)
	}
	episodes, err := list[verdict.Episode](t.Context(), d.client, "/v1/alarms", url.Values{}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	var live []firedEpisode
	for i := range episodes {
		live = append(live, firedOf(&episodes[i]))
	}
	sortFired(live)

	history := filepath.Join(dir, "events.ndjson.gz")
	if got := recordedEvents(t, d, history); got != s.Sum.Stored {
		t.Fatalf("%d events of %d", got, s.Sum.Stored)
	}
	args := []string{"backtest", own, "alarms.aws.*", "--input", history, "--until", time.Now().UTC().Format(time.RFC3339), "-o", "ndjson"}
	began := time.Now()
	out, errOut, code := regentOutput(t, args...)
	took := time.Since(began)
	if code != exitFindings {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	var fired []firedEpisode
	var late int64
	for line := range strings.Lines(out) {
		var x struct {
			Firing  *backtest.Firing
			Summary *backtest.Summary
			End     *backtest.Result
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		switch {
		case x.Firing != nil:
			fired = append(fired, firedOf(x.Firing.Episode))
		case x.Summary != nil:
			late += x.Summary.Late
		case x.End.Events != s.Sum.Stored:
			t.Errorf("the backtest met %d events of %d", x.End.Events, s.Sum.Stored)
		}
	}
	sortFired(fired)
	if diff := cmp.Diff(live, fired); diff != "" {
		t.Errorf("the daemon's episodes (-) are not those of the backtest (+):\n%s", diff)
	}
	if messy && late == 0 {
		t.Error("no match came too late, so that nothing is known of those")
	}
	t.Logf("%d episodes of %d events are the same; %d matches were late; %.0f records/s", len(live), s.Sum.Stored, late, float64(s.Sum.Stored)/took.Seconds())
	if !messy {
		return
	}
	for _, procs := range []string{"1", "3", "8"} {
		cmd := exec.Command(filepath.Join(bin, "regent"), args...)
		cmd.Env = append(os.Environ(), "GOMAXPROCS="+procs)
		// The exit code was looked at above.
		again, _ := cmd.Output()
		if string(again) != out {
			t.Errorf("GOMAXPROCS=%s: the output differs", procs)
		}
	}
}
