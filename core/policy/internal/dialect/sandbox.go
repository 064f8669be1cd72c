package dialect

import (
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/version"
)

// Engine names the evaluator in evidence.
func Engine() string { return "opa/" + version.Version }

// Barred are the built-in functions that policies do not have, with the reason given to whoever
// calls one. Everything a policy sees must come from the record, the parameters and the Reader, or
// an evaluation could not be made again.
var Barred = map[string]string{
	"http.send":              "policies cannot reach the network",
	"net.lookup_ip_addr":     "policies cannot reach the network",
	"opa.runtime":            "policies cannot see the daemon's environment",
	"rand.intn":              "evaluations must be repeatable",
	"uuid.rfc4122":           "evaluations must be repeatable",
	"io.jwt.encode_sign":     "signatures are not repeatable, and policies hold no keys",
	"io.jwt.encode_sign_raw": "signatures are not repeatable, and policies hold no keys",
	"json.match_schema":      "its references read files; write the conditions as rules",
	"json.verify_schema":     "its references read files",
	"rego.parse_module":      "policies do not judge policies",
	"trace":                  "there is no trace to write to",
	"providers.aws.sign_req": "policies cannot reach the network and hold no keys",
	"crypto.x509.parse_and_verify_certificates":              "it verifies at the clock's time; compare the dates of crypto.x509.parse_certificates with time.now_ns()",
	"crypto.x509.parse_and_verify_certificates_with_options": "it verifies at the clock's time; compare the dates of crypto.x509.parse_certificates with time.now_ns()",
}

// Capabilities are OPA's without what is Barred, and with nothing to fetch JSON Schemas from.
var Capabilities = sync.OnceValue(func() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		_, is := Barred[b.Name]
		return is
	})
	c.AllowNet = []string{}
	return c
})

// BuiltinNames lists the functions that policies may call, for suggestions.
var BuiltinNames = sync.OnceValue(func() []string {
	var names []string
	for _, b := range Capabilities().Builtins {
		if !strings.HasPrefix(b.Name, "internal.") {
			names = append(names, b.Name)
		}
	}
	return names
})
