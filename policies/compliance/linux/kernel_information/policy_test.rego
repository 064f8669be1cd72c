package compliance.linux.kernel_information_test

import data.compliance.linux.kernel_information

parameters := {"minimum": {"kernel.dmesg_restrict": 1}}

test_everybody_reads_the_log if {
	kernel_information.deny == {{"msg": "kernel.dmesg_restrict is 0; at least 1 is wanted", "path": "/configuration/value"}} with input as {"resource": {"configuration": {"name": "kernel.dmesg_restrict", "value": "0", "number": 0}}, "parameters": parameters}
}

test_root_alone_reads_the_log if {
	count(kernel_information.deny) == 0 with input as {"resource": {"configuration": {"name": "kernel.dmesg_restrict", "value": "1", "number": 1}}, "parameters": parameters}
	not kernel_information.not_applicable with input as {"resource": {"configuration": {"name": "kernel.dmesg_restrict", "value": "1", "number": 1}}, "parameters": parameters}
}

test_other_parameters_are_not_judged if {
	kernel_information.not_applicable with input as {"resource": {"configuration": {"name": "vm.swappiness", "value": "60", "number": 60}}, "parameters": parameters}
}
