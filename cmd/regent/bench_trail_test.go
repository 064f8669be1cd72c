package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
)

// trailRecords is how many CloudTrail records BenchmarkCloudTrail reads.
const trailRecords = 400_000

// BenchmarkCloudTrail measures the whole way of a CloudTrail record: read from a file by the plugin,
// mapped, sent to the daemon, checked, judged against 20 and against 50 alarms, and committed. Every
// hundredth record raises one. The budget is 50,000 records/s on two cores, and half of what gzip makes
// of a record for its place on disk.
func BenchmarkCloudTrail(b *testing.B) {
	in := filepath.Join(b.TempDir(), "trail.json")
	size, zipped := writeTrail(b, in, trailRecords)
	for _, alarms := range []int{20, 50} {
		b.Run(fmt.Sprintf("alarms=%d", alarms), func(b *testing.B) {
			dir := benchDir(b)
			policies := fmt.Sprintf("builtin = %s", builtinAlarms(b, 20))
			if alarms > 20 {
				benchAlarms(b, filepath.Join(dir, "p"), alarms-20)
				policies += "\n  path = \"p\""
			}
			config := fmt.Sprintf("policies {\n  %s\n}\n", policies)
			for b.Loop() {
				d := runDaemon(b, dir, config)
				d.until("start", 30*time.Second, func(s api.Status) bool { return s.Generation.Policies == alarms })
				// The collector comes with a new configuration, so that only its work is measured.
				config := config + fmt.Sprintf("collector \"files\" \"trail\" {\n  config {\n    paths  = [%q]\n    format = \"cloudtrail\"\n    follow = false\n  }\n}\n", in)
				d.stop()
				start := time.Now()
				d = runDaemon(b, dir, config)
				_, began := d.until("the first record", 30*time.Second, func(s api.Status) bool { return s.Sum.Stored > 0 })
				s, end := d.until("all records", 5*time.Minute, func(s api.Status) bool { return s.Sum.Stored >= trailRecords })
				if s.Sum.Stored != trailRecords || s.Alarms.All == 0 {
					b.Fatalf("%+v and %d alarms", s.Sum, s.Alarms.All)
				}
				b.ReportMetric(trailRecords/end.Sub(start).Seconds(), "records/s-with-start")
				b.ReportMetric(trailRecords/end.Sub(began).Seconds(), "records/s")
				b.ReportMetric(float64(size)/trailRecords, "B/record")
				d.stop()
				b.ReportMetric(float64(folderSize(b, dir+"/d"))/trailRecords, "stored-B/record")
				b.ReportMetric(float64(folderSize(b, dir+"/d"))/trailRecords/zipped, "stored/gzip")
				if err := os.RemoveAll(dir + "/d"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// builtinAlarms returns so many of the alarms that come with Regent, as a list in HCL.
func builtinAlarms(b *testing.B, n int) string {
	b.Helper()
	folders, err := os.ReadDir(filepath.Join("..", "..", "policies", "alarms", "aws"))
	if err != nil || len(folders) < n {
		b.Fatalf("%d alarms (%v)", len(folders), err)
	}
	var ids []string
	// From the end, so that the one that the records raise is among them.
	for _, f := range folders[len(folders)-n:] {
		ids = append(ids, strconv.Quote("alarms.aws."+f.Name()))
	}
	return "[" + strings.Join(ids, ", ") + "]"
}

// folderSize returns what the files of a folder take on disk.
func folderSize(b *testing.B, dir string) (n int64) {
	b.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
	}
	return n
}

// writeTrail writes records of the shape and size that CloudTrail's have. It returns the size of the file,
// and what gzip makes of one record on average.
func writeTrail(tb testing.TB, path string, n int) (size int64, zipped float64) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	var sample, packed bytes.Buffer
	w := bufio.NewWriterSize(f, 1<<20)
	calls := [][2]string{{"ec2", "DescribeInstances"}, {"s3", "GetObject"}, {"sts", "AssumeRole"}, {"kms", "Decrypt"}, {"logs", "PutLogEvents"}, {"dynamodb", "DescribeTable"}}
	at := time.Now().Add(-time.Hour).UTC()
	samples := 0
	for i := range n {
		c := calls[i%len(calls)]
		if i%100 == 99 {
			c = [2]string{"ssm", "SendCommand"}
		}
		sample.Reset()
		fmt.Fprintf(&sample, `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session-%d","arn":"arn:aws:sts::111122223333:assumed-role/app-%d/session-%d","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE%07d","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/app-%d","accountId":"111122223333","userName":"app-%d"},"attributes":{"creationDate":"2026-01-01T00:00:00Z","mfaAuthenticated":"false"}}},"eventTime":%q,"eventSource":"%s.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.%d","userAgent":"aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/%s#1.0.0","requestParameters":{"bucketName":"bucket-%d","key":"path/to/object-%d"},"responseElements":null,"requestID":"%s","eventID":"%s","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}`+"\n",
			i%1000, i%50, i%1000, i%100000, i%50, i%50, at.Add(time.Duration(i)*time.Millisecond).Format(time.RFC3339), c[0], c[1], i%250, c[0], i%200, i, uuidOf(2*i), uuidOf(2*i+1))
		if i%1000 == 0 {
			z, _ := gzip.NewWriterLevel(&packed, gzip.DefaultCompression)
			_, _ = z.Write(sample.Bytes())
			_ = z.Close()
			samples++
		}
		if _, err := io.Copy(w, &sample); err != nil {
			tb.Fatal(err)
		}
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
	return info.Size(), float64(packed.Len()) / float64(samples)
}

// uuidOf spreads a number over a UUID, so that ids compress as badly as real ones.
func uuidOf(n int) string {
	x := uint64(n+1) * 0x9e3779b97f4a7c15
	y := (x ^ x>>31) * 0xbf58476d1ce4e5b9
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", x>>32, x>>16&0xffff, x&0xfff, y>>52, y&0xffffffffffff)
}
