package compliance.linux.suid_dumpable_test

import data.compliance.linux.suid_dumpable

test_dumps_are_left if {
	suid_dumpable.deny == {{"msg": "fs.suid_dumpable is 2: set-user-id programs leave core dumps", "path": "/configuration/value"}} with input.resource as {"configuration": {"name": "fs.suid_dumpable", "value": "2"}}
}

test_no_dumps_are_left if {
	count(suid_dumpable.deny) == 0 with input.resource as {"configuration": {"name": "fs.suid_dumpable", "value": "0"}}
	not suid_dumpable.not_applicable with input.resource as {"configuration": {"name": "fs.suid_dumpable", "value": "0"}}
}

test_other_parameters_are_not_judged if {
	suid_dumpable.not_applicable with input.resource as {"configuration": {"name": "vm.swappiness", "value": "60"}}
}
