package compliance.test.x_test

import data.compliance.test.x

test_x if x.deny
