package compliance.test.none

deny contains "x"
