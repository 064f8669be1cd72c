package compliance

deny contains "x"
