package unitfile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const unit = `# comment
Outside=1
[Unit]
Description=A server \
; a comment between
  of things
After = network.target
[Service]
ExecStart=/usr/sbin/a -D $OPTIONS
ExecStart=/usr/sbin/b
NoNewPrivileges=true
PrivateTmp=maybe
User=www-data
nonsense
=empty
[Install]
WantedBy=multi-user.target
`

func TestApply(t *testing.T) {
	t.Parallel()
	var f File
	f.Apply([]byte(unit))
	if got, want := f.Last("Unit", "Description"), "A server of things"; got != want {
		t.Errorf("Description %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"/usr/sbin/a -D $OPTIONS", "/usr/sbin/b"}, f.All("Service", "ExecStart")); diff != "" {
		t.Error(diff)
	}
	if b := f.Bool("Service", "NoNewPrivileges"); b == nil || !*b || f.Bool("Service", "PrivateTmp") != nil || f.Bool("Service", "Nothing") != nil {
		t.Error("Bool")
	}
	if !f.Has("Install") || f.Has("Timer") || f.Last("", "Outside") != "" {
		t.Error("Has, or a line outside a section counts")
	}
	// A drop-in clears the list and sets another; later single values win.
	f.Apply([]byte("[Service]\nExecStart=\nExecStart=/opt/c\nUser=nobody\n"))
	if diff := cmp.Diff([]string{"/opt/c"}, f.All("Service", "ExecStart")); diff != "" {
		t.Error(diff)
	}
	if f.Last("Service", "User") != "nobody" || f.Last("Unit", "After") != "network.target" {
		t.Error("a drop-in does not add to the unit")
	}
}

func TestParseShow(t *testing.T) {
	t.Parallel()
	got := ParseShow([]byte("Id=ssh.service\nActiveState=active\nDescription=a=b\n\n\nId=x.timer\nnoise\nActiveState=\n"))
	want := []map[string]string{
		{"Id": "ssh.service", "ActiveState": "active", "Description": "a=b"}, {"Id": "x.timer", "ActiveState": ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzApply(f *testing.F) {
	f.Add([]byte(unit), []byte("[Service]\nExecStart=\n\\\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var u File
		u.Apply(a)
		u.Apply(b)
		for k, v := range u.values {
			if k.section == "" || k.name == "" {
				t.Errorf("%+v = %q", k, v)
			}
		}
		for _, m := range ParseShow(a) {
			if len(m) == 0 {
				t.Error("an empty unit")
			}
		}
	})
}
