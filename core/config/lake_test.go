package config

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
)

// load loads a text that must be right.
func load(t *testing.T, text string) *Config {
	t.Helper()
	c, problems, _ := Load("x.hcl", Options{Environ: noEnv, Files: Sources{"x.hcl": []byte(text)}})
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	return c
}

// TestReadmeLake loads the configuration that the README shows for the lake, and that file it must be.
func TestReadmeLake(t *testing.T) {
	t.Parallel()
	c, problems, _ := Load(readmeExample(t, "lake.hcl", ""), Options{Environ: noEnv, Vars: map[string]string{"lake_access_key": "AK", "lake_secret_key": "s3cr3t"}})
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := Lake{Path: "/var/lib/regent/lake", DrainEvery: time.Minute, CacheBytes: 10 << 30, S3: &S3{
		Endpoint: "https://minio.example.com:9000", Bucket: "history", Prefix: "regent/prod", AccessKey: "AK", SecretKey: "s3cr3t", PathStyle: true,
	}}
	if !want.Equal(c.Lake) {
		t.Error(cmp.Diff(want, c.Lake))
	}
	if c.Retention.Events != 365*day || c.Retention.Versions != 0 || c.Retention.Findings != 1095*day {
		t.Errorf("retention %+v", c.Retention)
	}
}

func TestLakeDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, `data_dir = "/d"`)
	if want := (Lake{Path: "/d/lake", DrainEvery: time.Minute, CacheBytes: 1 << 30}); !want.Equal(c.Lake) {
		t.Error(cmp.Diff(want, c.Lake))
	}
	want := Retention{Events: 90 * day, Verdicts: 1095 * day, Findings: 1095 * day, Causes: 1095 * day, Quarantine: 30 * day, Deliveries: 30 * day, Alarms: 365 * day, Gaps: 1095 * day}
	if diff := cmp.Diff(want, c.Retention); diff != "" {
		t.Error(diff)
	}
	for name, text := range map[table.Name]string{
		table.Events: `retention.events = "2160h0m0s"`, table.Items: `retention.versions = "forever"`, table.Quarantines: `retention.quarantine = "720h0m0s"`,
	} {
		if _, got := c.Retention.Table(name); got != text {
			t.Errorf("%s: %s, want %s", name, got, text)
		}
	}
	for _, name := range table.Names {
		// Each is settable, and by a name of its own.
		if s, ok := c.Retention.settings()[name]; !ok || s.keep == nil {
			t.Errorf("%s has no setting", name)
		}
	}
	c = load(t, "data_dir = \"/d\"\nretention {\n events = \"3653d\"\n verdicts = \"forever\"\n causes = \"1d\"\n}")
	if c.Retention.Events != 3653*day || c.Retention.Verdicts != 0 || c.Retention.Causes != day {
		t.Errorf("retention %+v", c.Retention)
	}
}

func TestLakeStyle(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`bucket = "abc" region = "eu-west-1"`:                                                                 false,
		`bucket = "a.c" region = "eu-west-1"`:                                                                 true,
		`bucket = "abc" endpoint = "https://s3.eu-west-1.amazonaws.com"`:                                      false,
		`bucket = "abc" endpoint = "https://garage:3900/"`:                                                    true,
		`bucket = "abc" endpoint = "https://objects.example.com" path_style = false`:                          false,
		`bucket = "abc" region = "eu-west-1" path_style = true access_key = "a" secret_key = "b" prefix="p/"`: true,
	} {
		text := strings.NewReplacer(" endpoint", "\n endpoint", " region", "\n region", " path_style", "\n path_style", " access_key", "\n access_key", " secret_key", "\n secret_key", " prefix", "\n prefix").Replace(text)
		c := load(t, "data_dir = \"/d\"\nlake {\n s3 {\n"+text+"\n}\n}\n")
		if s3 := c.Lake.S3; s3.PathStyle != want || strings.HasSuffix(s3.Endpoint, "/") || strings.HasSuffix(s3.Prefix, "/") {
			t.Errorf("%s: %+v", text, s3)
		}
	}
}

// TestLakeRestart changes each setting, the secret one too.
func TestLakeRestart(t *testing.T) {
	t.Parallel()
	const base = "data_dir = \"/d\"\nlake {\n drain_every = \"1m\"\n s3 {\n bucket = \"abc\"\n region = \"r\"\n access_key = \"a\"\n secret_key = \"b\"\n}\n}\n"
	old := load(t, base)
	if got := load(t, base).Restart(old); len(got) != 0 {
		t.Errorf("unchanged: %q", got)
	}
	for _, change := range [][2]string{{`"1m"`, `"2m"`}, {`"abc"`, `"abd"`}, {`key = "b"`, `key = "c"`}, {"s3 {\n bucket = \"abc\"\n region = \"r\"\n access_key = \"a\"\n secret_key = \"b\"\n}", "path = \"/l\""}} {
		got := load(t, strings.Replace(base, change[0], change[1], 1)).Restart(old)
		if diff := cmp.Diff([]string{"lake"}, got); diff != "" {
			t.Errorf("%s: %s", change[1], diff)
		}
	}
}

// TestLakeFiles has what is wrong with files, whose paths differ by machine.
func TestLakeFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	for name, text := range map[string][]byte{"file": []byte("x"), "ca.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := func(name string) string {
		return fmt.Sprintf("s3 {\n bucket = \"abc\"\n region = \"r\"\n ca_file = %q\n}", filepath.Join(dir, name))
	}
	for text, want := range map[string]string{
		fmt.Sprintf("path = %q", filepath.Join(dir, "file")): "Not a folder",
		`path = "/d"`:   "Lake around the data folder",
		`path = "/"`:    "Lake around the data folder",
		`path = "/d/l"`: "",
		ca("gone"):      "CA file not readable",
		ca("file"):      "Invalid CA file",
		ca("ca.pem"):    "",
	} {
		_, problems, _ := Load("x.hcl", Options{Environ: noEnv, Files: Sources{"x.hcl": []byte("data_dir = \"/d\"\nlake {\n" + text + "\n}\n")}})
		if want == "" && len(problems) != 0 || want != "" && (len(problems) != 1 || problems[0].Summary != want) {
			t.Errorf("%s: %v, want %q", text, problems, want)
		}
	}
}

// TestSecretIsNotPrinted prints a configuration with secrets in every way there is.
func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	c := load(t, "data_dir = \"/d\"\nlake {\n s3 {\n bucket = \"abc\"\n region = \"r\"\n access_key = \"s3cr3t\"\n secret_key = \"s3cr3t\"\n session_token = \"s3cr3t\"\n}\n}\n")
	digest := c.Digest
	if c.Lake.S3.SecretKey.Reveal() != "s3cr3t" {
		t.Errorf("the secret is %q", c.Lake.S3.SecretKey.Reveal())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %v"} {
		var args []any
		for range strings.Count(verb, "%") {
			args = append(args, *c.Lake.S3)
		}
		if s := fmt.Sprintf(verb, args...); strings.Contains(s, "s3cr3t") || strings.Contains(s, fmt.Sprintf("%x", "s3cr3t")) {
			t.Errorf("%s tells: %s", verb, s)
		}
	}
	j, err := json.Marshal(c.Lake)
	if err != nil || strings.Contains(string(j), "s3cr3t") || !strings.Contains(string(j), `"SecretKey":"(sensitive)"`) {
		t.Errorf("JSON %s, error %v", j, err)
	}
	if c.Digest != digest {
		t.Error("printing changed the digest")
	}
}
