# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

deny contains {"message": "m", "field": "/x", "severity": "low"}

deny contains {"msg": 5}

deny contains 5

deny contains {"msg": "m", "path": "configuration.encrypted"}

deny contains x if x := {"mgs": "through a variable"}
