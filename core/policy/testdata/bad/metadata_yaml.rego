# METADATA
# title: Colon: here
# custom: {severity: high
package compliance.test.yaml

deny contains "x"
