# METADATA
# scope: subpackages
# labels: {team: a}
# custom: {severity: high}
package compliance.test
