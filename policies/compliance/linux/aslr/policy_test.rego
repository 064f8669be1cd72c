package compliance.linux.aslr_test

import data.compliance.linux.aslr

test_addresses_stay_the_same if {
	aslr.deny == {{"msg": "kernel.randomize_va_space is 0, not 2", "path": "/configuration/value"}} with input.resource as {"configuration": {"name": "kernel.randomize_va_space", "value": "0"}}
}

test_addresses_are_randomised if {
	count(aslr.deny) == 0 with input.resource as {"configuration": {"name": "kernel.randomize_va_space", "value": "2"}}
	not aslr.not_applicable with input.resource as {"configuration": {"name": "kernel.randomize_va_space", "value": "2"}}
}

test_other_parameters_are_not_judged if {
	aslr.not_applicable with input.resource as {"configuration": {"name": "vm.swappiness", "value": "60"}}
}
