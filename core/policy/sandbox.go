package policy

import (
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/version"
)

// engine names the evaluator in evidence.
func engine() string { return "opa/" + version.Version }

// barred are the built-in functions that policies do not have, with the reason given to whoever
// calls one. Everything a policy sees must come from the record, the parameters and the Reader, or
// an evaluation could not be made again.
var barred = map[string]string{
	"http.send":              "policies cannot reach the network",
	"net.lookup_ip_addr":     "policies cannot reach the network",
	"opa.runtime":            "policies cannot see the daemon's environment",
	"rand.intn":              "evaluations must be repeatable",
	"uuid.rfc4122":           "evaluations must be repeatable",
	"io.jwt.encode_sign":     "signatures are not repeatable, and policies hold no keys",
	"io.jwt.encode_sign_raw": "signatures are not repeatable, and policies hold no keys",
	"rego.parse_module":      "policies do not judge policies",
	"trace":                  "there is no trace to write to",
	"providers.aws.sign_req": "policies cannot reach the network and hold no keys",
	"crypto.x509.parse_and_verify_certificates":              "it verifies at the clock's time; compare the dates of crypto.x509.parse_certificates with time.now_ns()",
	"crypto.x509.parse_and_verify_certificates_with_options": "it verifies at the clock's time; compare the dates of crypto.x509.parse_certificates with time.now_ns()",
}

// capabilities are OPA's without what is barred, and with nothing to fetch JSON Schemas from.
var capabilities = sync.OnceValue(func() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		_, is := barred[b.Name]
		return is
	})
	c.AllowNet = []string{}
	return c
})

// builtinNames lists the functions that policies may call, for suggestions.
var builtinNames = sync.OnceValue(func() []string {
	var names []string
	for _, b := range capabilities().Builtins {
		if !strings.HasPrefix(b.Name, "internal.") {
			names = append(names, b.Name)
		}
	}
	return names
})
