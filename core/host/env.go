package host

import (
	"path/filepath"
	"slices"
	"strings"
)

// passed are the variables that plugins get from the daemon's environment without being asked for:
// what programs need to find others, their home, their language, and the way to the network. Secrets
// in the daemon's environment are not among them.
var passed = []string{
	"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
}

// binaryVariable tells a plugin where its binary stands: it runs from a copy.
const binaryVariable = "REGENT_PLUGIN_BINARY"

// environment returns the environment of a plugin: the passed variables, the named ones, and where its
// binary stands. A name may carry its value: "NAME=value". lookup is os.LookupEnv.
func environment(im *image, names []string, lookup func(string) (string, bool)) []string {
	var env []string
	for _, name := range slices.Concat(passed, names) {
		if strings.Contains(name, "=") {
			env = append(env, name)
		} else if value, ok := lookup(name); ok {
			env = append(env, name+"="+value)
		}
	}
	env = append(env, binaryVariable+"="+im.source)
	if im.python {
		// Python looks for modules beside the script, and beside the copy there are none.
		env = pathFirst(env, "PYTHONPATH", filepath.Dir(im.source))
	}
	return env
}

// pathFirst puts dir first in the list of folders that a variable holds.
func pathFirst(env []string, name, dir string) []string {
	value := dir
	for _, kv := range env {
		if old, ok := strings.CutPrefix(kv, name+"="); ok && old != "" {
			value = dir + string(filepath.ListSeparator) + old
		}
	}
	return append(env, name+"="+value)
}
