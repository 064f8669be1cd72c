package crontab

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSystemTable(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte(`# comment
SHELL=/bin/sh
17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
PATH = "/usr/bin:/bin"
@reboot www-data   /srv/start x=1
-*/5 1-3,5 * jan mon root true
30 3 * * 0 root
* * * *
% * * * * root x
0 0 L * ? root echo %a
`), true)
	sh := map[string]string{"SHELL": "/bin/sh"}
	both := map[string]string{"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
	want := []Entry{
		{Line: 3, Schedule: "17 * * * *", User: "root", Command: "cd / && run-parts --report /etc/cron.hourly", Environment: sh},
		{Line: 5, Schedule: "@reboot", User: "www-data", Command: "/srv/start x=1", Environment: both},
		{Line: 6, Schedule: "*/5 1-3,5 * jan mon", User: "root", Command: "true", Environment: both},
		{Line: 10, Schedule: "0 0 L * ?", User: "root", Command: "echo %a", Environment: both},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantErr := "line 7: no command\nline 8: the schedule is incomplete\nline 9: \"%\" is no part of a schedule"
	if err == nil || err.Error() != wantErr {
		t.Errorf("error %q, want %q", err, wantErr)
	}
}

func TestParseUserTable(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte("MAILTO=''\n0 4 * * * /home/a/backup --to x\n"), false)
	want := []Entry{{Line: 2, Schedule: "0 4 * * *", Command: "/home/a/backup --to x", Environment: map[string]string{"MAILTO": ""}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestParseAnacron(t *testing.T) {
	t.Parallel()
	got, err := ParseAnacron([]byte("START_HOURS_RANGE=3-22\n7\t25\tcron.weekly\tnice run-parts /etc/cron.weekly\n@monthly 45 m true\nx 1 y z\n1 a b c\n1 5 only\n"))
	env := map[string]string{"START_HOURS_RANGE": "3-22"}
	want := []Entry{
		{Line: 2, Schedule: "every 7 days", User: "root", Name: "cron.weekly", Command: "nice run-parts /etc/cron.weekly", Environment: env},
		{Line: 3, Schedule: "@monthly", User: "root", Name: "m", Command: "true", Environment: env},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err == nil {
		t.Error("three bad lines are taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("A=b\n1 2 3 4 5 root x\n@daily y z\n7 25 j c\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, system bool) {
		es, _ := Parse(b, system)
		for _, e := range es {
			if e.Command == "" || e.Schedule == "" || system && e.User == "" {
				t.Errorf("%+v", e)
			}
		}
		es, _ = ParseAnacron(b)
		for _, e := range es {
			if e.Command == "" || e.Schedule == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
