package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
)

// benchRecords is how many CloudTrail records BenchmarkCloudTrail reads.
const benchRecords = 200_000

// BenchmarkCloudTrail measures the whole way of a CloudTrail record: read from a file by the plugin,
// mapped, checked, judged against the alarms that come with Regent, and committed.
func BenchmarkCloudTrail(b *testing.B) {
	in := filepath.Join(b.TempDir(), "trail.json")
	size := writeTrail(b, in, benchRecords)
	for b.Loop() {
		start, stop := benchDaemon(b, fmt.Sprintf(`
policies {
  builtin = ["alarms.aws.*"]
}
collector "files" "trail" {
  config {
    paths  = [%q]
    format = "cloudtrail"
  }
}
`, in), func(s api.Status) bool { return s.Sum.Stored >= benchRecords })
		took := time.Since(start)
		b.ReportMetric(benchRecords/took.Seconds(), "records/s")
		b.ReportMetric(float64(size)/benchRecords, "B/record")
		b.ReportMetric(float64(stop.StoreBytes)/benchRecords, "stored-B/record")
	}
}

// writeTrail writes records of the shape and size that CloudTrail's have, every hundredth of which
// alarms.
func writeTrail(tb testing.TB, path string, n int) int64 {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	calls := [][2]string{{"ec2", "DescribeInstances"}, {"s3", "GetObject"}, {"sts", "AssumeRole"}, {"kms", "Decrypt"}, {"logs", "PutLogEvents"}, {"dynamodb", "DescribeTable"}}
	at := time.Now().Add(-time.Hour).UTC()
	for i := range n {
		c := calls[i%len(calls)]
		if i%100 == 99 {
			c = [2]string{"ssm", "SendCommand"}
		}
		fmt.Fprintf(w, `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session-%d","arn":"arn:aws:sts::111122223333:assumed-role/app-%d/session-%d","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE%07d","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/app-%d","accountId":"111122223333","userName":"app-%d"},"attributes":{"creationDate":"2026-01-01T00:00:00Z","mfaAuthenticated":"false"}}},"eventTime":%q,"eventSource":"%s.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.%d","userAgent":"aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/%s#1.0.0","requestParameters":{"bucketName":"bucket-%d","key":"path/to/object-%d"},"responseElements":null,"requestID":"%08x-0000-4000-8000-%012x","eventID":"%08x-1111-4000-8000-%012x","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}`+"\n",
			i%1000, i%50, i%1000, i%100000, i%50, i%50, at.Add(time.Duration(i)*time.Millisecond).Format(time.RFC3339), c[0], c[1], i%250, c[0], i%200, i, i, i, i, i)
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

// benchDaemon runs a daemon until its status is as wanted, and returns when it was ready.
func benchDaemon(b *testing.B, config string, ok func(api.Status) bool) (start time.Time, last api.Status) {
	b.Helper()
	dir, err := os.MkdirTemp("", "rb")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "regent.hcl")
	text := fmt.Sprintf("data_dir = %q\nplugin_dir = %q\nlog {\n  level = \"error\"\n}\n%s", dir+"/d", bin, config)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.Command(filepath.Join(bin, "regent"), "run", "-c", path)
	cmd.Stderr = &out
	start = time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	c := &client{address: "unix://" + dir + "/d/regent.sock"}
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var s api.Status
		ctx, cancel := context.WithTimeout(b.Context(), 5*time.Second)
		err := c.call(ctx, "GET", "/v1/status", nil, nil, &s)
		cancel()
		if err == nil && ok(s) {
			return start, s
		}
	}
	b.Fatalf("the daemon never got there: %s", out.String())
	return start, last
}
