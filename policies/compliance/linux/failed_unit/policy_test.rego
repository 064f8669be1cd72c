package compliance.linux.failed_unit_test

import data.compliance.linux.failed_unit

test_a_failed_unit if {
	failed_unit.deny == {{"msg": "backup.service has failed: exit-code", "path": "/configuration/activeState"}} with input.resource as {"configuration": {"unit": "backup.service", "activeState": "failed", "failed": true, "result": "exit-code"}}
}

test_a_failed_unit_without_a_reason if {
	failed_unit.deny == {{"msg": "backup.service has failed: no reason is known", "path": "/configuration/activeState"}} with input.resource as {"configuration": {"unit": "backup.service", "activeState": "failed", "failed": true}}
}

test_a_running_unit if {
	count(failed_unit.deny) == 0 with input.resource as {"configuration": {"unit": "ssh.service", "activeState": "active", "failed": false}}
}

test_a_unit_without_a_state_is_not_judged if {
	failed_unit.not_applicable with input.resource as {"configuration": {"unit": "ssh.service", "failed": false}}
}
