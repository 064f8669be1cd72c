package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
)

// scalePolicies is how many policies apply to each resource of BenchmarkScale.
const scalePolicies = 20

// BenchmarkScale records 10,000 and 100,000 resources, to each of which 20 policies apply, from nothing,
// and starts again on what is stored. The budgets: less than 500 MiB at 100,000 resources, ready in less
// than two seconds.
func BenchmarkScale(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("resources=%d", n), func(b *testing.B) {
			dir := benchDir(b)
			in := filepath.Join(dir, "items.json")
			writeItems(b, in, n)
			benchPolicies(b, filepath.Join(dir, "p"), scalePolicies)
			config := fmt.Sprintf("policies {\n  path = \"p\"\n}\ncollector \"files\" \"items\" {\n  config {\n    paths  = [%q]\n    format = \"regent\"\n  }\n}\n", in)
			for b.Loop() {
				start := time.Now()
				d := runDaemon(b, dir, config)
				s, end := d.until("all resources", 10*time.Minute, func(s api.Status) bool { return s.Sum.Stored >= int64(n) && s.Work == 0 })
				verdicts := int64(0)
				for _, v := range s.Verdicts {
					verdicts += v
				}
				if verdicts != int64(n*scalePolicies) {
					b.Fatalf("%d verdicts, want %d", verdicts, n*scalePolicies)
				}
				b.ReportMetric(float64(n)/end.Sub(start).Seconds(), "resources/s")
				b.ReportMetric(float64(verdicts)/end.Sub(start).Seconds(), "verdicts/s")
				b.ReportMetric(d.memory("VmHWM"), "peak-MiB")
				d.stop()
				b.ReportMetric(float64(folderSize(b, dir+"/d"))/float64(n), "stored-B/resource")

				start = time.Now()
				d = runDaemon(b, dir, config)
				ready := d.ready()
				b.ReportMetric(ready.Sub(start).Seconds()*1000, "ms-to-ready")
				b.ReportMetric(d.memory("VmRSS"), "restarted-MiB")
				d.stop()
				if err := os.RemoveAll(dir + "/d"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// ready waits until the daemon says that it records and judges.
func (d *bench) ready() time.Time {
	d.tb.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(d.tb.Context(), 5*time.Second)
		err := d.call(ctx, "GET", "/-/ready", nil, nil, nil)
		cancel()
		if err == nil {
			return time.Now()
		}
	}
	d.tb.Fatalf("never ready: %s", d.log.String())
	return time.Time{}
}

// writeItems writes items of about a kilobyte, one in ten of which each policy denies.
func writeItems(b *testing.B, path string, n int) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for i := range n {
		fmt.Fprintf(w, `{"resourceType":"Bench::Compute::Instance","resourceId":"i-%s","accountId":"%012d","awsRegion":"eu-west-1","captureTime":%q,"tags":{"Name":"instance-%d","environment":"prod","team":"team-%d"},"relationships":[{"resourceType":"Bench::Network::Subnet","resourceId":"subnet-%d","name":"is in"}],"configuration":{"size":%d,"image":"ami-%08x","monitoring":{"state":"enabled"},"blockDevices":[{"name":"/dev/sda1","volume":"vol-%08x","encrypted":true},{"name":"/dev/sdb","volume":"vol-%08x","encrypted":true}],"network":[{"id":"eni-%08x","address":"10.%d.%d.%d","groups":["sg-%d","sg-%d"]}],"metadata":{"tokens":"required","hops":1},"profile":"arn:aws:iam::%012d:instance-profile/app-%d","launched":"2026-01-01T00:00:00Z","text":"a description of ordinary length that nobody reads, as resources have them"}}`+"\n",
			uuidOf(i), i%10, "2026-01-01T00:00:00Z", i, i%50, i%500, i%200, i%300, i*7, i*7+1, i*3, i>>16&255, i>>8&255, i&255, i%90, i%70, i%10, i%40)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// benchPolicies writes so many policies, all on the same type.
func benchPolicies(b *testing.B, dir string, n int) {
	b.Helper()
	for i := range n {
		conditions := []string{
			fmt.Sprintf("input.resource.configuration.size %% 200 < 20\n\tinput.resource.configuration.size >= 0\n\t%d >= 0", i),
			fmt.Sprintf("some device in input.resource.configuration.blockDevices\n\tendswith(device.volume, \"%x\")\n\tinput.resource.configuration.size >= %d", i%16, i%2),
			fmt.Sprintf("not input.resource.tags[\"team\"] in {\"team-%d\", \"team-%d\", \"none\"}\n\tinput.resource.configuration.size %% 10 == %d", i, i+1, i%10),
			fmt.Sprintf("count(input.resource.configuration.network) > 0\n\tinput.resource.configuration.network[0].groups[0] == \"sg-%d\"", i),
		}
		benchFile(b, filepath.Join(dir, fmt.Sprintf("p%03d.rego", i)), fmt.Sprintf(`# METADATA
# title: Policy %d of a benchmark
# custom: {severity: low, resource_types: [Bench::Compute::Instance]}
package compliance.bench.p%03[1]d

deny contains {"msg": $"{input.resource.resourceId} is of size {input.resource.configuration.size}", "path": "/configuration/size"} if {
	%s
}
`, i, conditions[i%len(conditions)]))
	}
}

// BenchmarkReload changes one of 100 policies and measures until the daemon judges by it; the parse and
// type check of all, which nothing spares when a file that others import changes, is "all". The budget is
// 250 ms.
func BenchmarkReload(b *testing.B) {
	dir := benchDir(b)
	benchPolicies(b, filepath.Join(dir, "p"), 100)
	d := runDaemon(b, dir, "policies {\n  path = \"p\"\n}\n")
	d.until("start", time.Minute, func(s api.Status) bool { return s.Generation.Policies == 100 })
	round := 0
	reload := func(b *testing.B) {
		before := d.generation()
		start := time.Now()
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		if err := d.call(ctx, "POST", "/-/reload", nil, nil, nil); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start))/float64(time.Millisecond), "ms-last")
		if after := d.generation(); after == before {
			b.Fatal("nothing was loaded")
		}
	}
	touch := func(name string) {
		text, err := os.ReadFile(filepath.Join(dir, "p", name))
		if err != nil {
			b.Fatal(err)
		}
		round++
		benchFile(b, filepath.Join(dir, "p", name), fmt.Sprintf("%s\n# edit %d\n", text, round))
	}
	b.Run("one of 100", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			touch("p050.rego")
			b.StartTimer()
			reload(b)
		}
	})
	b.Run("all 100", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			for i := range 100 {
				touch(fmt.Sprintf("p%03d.rego", i))
			}
			b.StartTimer()
			reload(b)
		}
	})
}

func (d *bench) generation() int64 {
	d.tb.Helper()
	var s api.Status
	ctx, cancel := context.WithTimeout(d.tb.Context(), 10*time.Second)
	defer cancel()
	if err := d.call(ctx, "GET", "/v1/status", nil, nil, &s); err != nil {
		d.tb.Fatal(err)
	}
	return s.Generation.Number
}
