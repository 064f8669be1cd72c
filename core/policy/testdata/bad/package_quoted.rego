package compliance.test["a-b"]

deny contains "x"
