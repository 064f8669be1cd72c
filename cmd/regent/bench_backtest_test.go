package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/backtest"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/policies"
)

// backtestRecords is how many events BenchmarkBacktest goes over.
const backtestRecords = 100_000

// BenchmarkBacktest measures the alarms that come with Regent over events as CloudTrail's become, as rows
// of a file and as the daemon gives them, beside parsing the same records once, which is the least that
// any evaluation needs. Every hundredth record raises an alarm.
func BenchmarkBacktest(b *testing.B) {
	in := filepath.Join(b.TempDir(), "events.ndjson")
	writeHistory(b, in, backtestRecords)
	files, err := builtinFiles("alarms.aws.*")
	if err != nil {
		b.Fatal(err)
	}
	schemas, err := policies.Schemas()
	if err != nil {
		b.Fatal(err)
	}
	set, problems := policy.Compile(b.Context(), files, policy.Options{Schemas: schemas})
	if err := problems.Err(); err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, in) }))
	defer server.Close()
	c := &client{address: server.URL}
	run := func(b *testing.B, src backtest.Source) {
		b.Helper()
		for b.Loop() {
			e, err := backtest.NewEngine(b.Context(), backtest.Options{Policies: set, Dir: filepath.Join(b.TempDir(), "state")})
			if err != nil {
				b.Fatal(err)
			}
			r, err := backtest.Run(b.Context(), src, backtest.Scope{}, e)
			if err != nil {
				b.Fatal(err)
			}
			opened := int64(0)
			for _, p := range r[0].Policies {
				opened += p.Opened
			}
			if r[0].Events != backtestRecords || opened == 0 {
				b.Fatalf("%d events, %d episodes", r[0].Events, opened)
			}
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(backtestRecords*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("file", func(b *testing.B) {
		src, err := backtest.OpenFiles(in)
		if err != nil {
			b.Fatal(err)
		}
		run(b, src)
	})
	b.Run("remote", func(b *testing.B) {
		run(b, &backtest.Remote{Get: c.stream})
	})
	b.Run("bare-parse", func(b *testing.B) {
		var records []json.RawMessage
		text, err := os.ReadFile(in)
		if err != nil {
			b.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var row struct{ Record json.RawMessage }
			if err := json.Unmarshal(line, &row); err != nil {
				b.Fatal(err)
			}
			if row.Record != nil {
				records = append(records, row.Record)
			}
		}
		for b.Loop() {
			for _, r := range records {
				if _, err := policy.Parse(r); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(len(records)*b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// writeHistory writes events in the shape and size of CloudTrail's as the daemon's history gives them.
func writeHistory(tb testing.TB, path string, n int) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	calls := [][2]string{{"ec2", "DescribeInstances"}, {"s3", "GetObject"}, {"sts", "AssumeRole"}, {"kms", "Decrypt"}, {"logs", "PutLogEvents"}, {"dynamodb", "DescribeTable"}}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		c := calls[i%len(calls)]
		if i%100 == 99 {
			c = [2]string{"ssm", "SendCommand"}
		}
		at := start.Add(time.Duration(i) * 50 * time.Millisecond).Format(time.RFC3339Nano)
		fmt.Fprintf(w, `{"number":%d,"time":%q,"received":%[2]q,"instance":"collector.files.trail","record":{"id":%q,"source":"aws.cloudtrail","time":%[2]q,"type":"AwsApiCall","action":"%[4]s:%[5]s","outcome":"success","error":{},"actor":{"type":"AssumedRole","id":"arn:aws:sts::111122223333:assumed-role/app-%[6]d/session","name":"app-%[6]d","accountId":"111122223333"},"origin":{"address":"198.51.100.%[7]d","userAgent":"aws-sdk-go-v2/1.30.3"},"targets":[],"accountId":"111122223333","region":"eu-west-1","detail":{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session","arn":"arn:aws:sts::111122223333:assumed-role/app-%[6]d/session","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/app-%[6]d","userName":"app-%[6]d"},"attributes":{"mfaAuthenticated":"false"}}},"eventTime":%[2]q,"eventSource":"%[4]s.amazonaws.com","eventName":%[5]q,"awsRegion":"eu-west-1","requestParameters":{"bucketName":"bucket-%[7]d","key":"path/to/object-%[1]d"},"responseElements":null,"eventID":%[3]q,"readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333"}}}`+"\n",
			i+1, at, uuidOf(i), c[0], c[1], i%50, i%250)
	}
	fmt.Fprintf(w, `{"end":true,"rows":%d}`+"\n", n)
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		tb.Fatal(err)
	}
}
