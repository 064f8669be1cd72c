package complaince.test.x

deny contains "x"
