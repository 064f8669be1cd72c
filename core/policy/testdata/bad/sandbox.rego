# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

deny contains "x" if http.send({"method": "get", "url": "http://169.254.169.254/"})

deny contains "y" if opa.runtime().env.HOME

deny contains "z" if rand.intn("x", 5) == 3

deny contains "u" if uuid.rfc4122("k")

deny contains "d" if net.lookup_ip_addr("example.com")

deny contains "w" if net.cidr_contain("10.0.0.0/8", "10.1.2.3")
