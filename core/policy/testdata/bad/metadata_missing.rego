# METADATA
# description: Nothing else
package compliance.test.missing

deny contains "x"
