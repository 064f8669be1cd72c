package compliance.linux.kernel_modules_test

import data.compliance.linux.kernel_modules

parameters := {"unwanted": ["cramfs"], "allow_unsigned": false}

test_an_unwanted_module if {
	kernel_modules.deny == {{"msg": "the kernel module cramfs is loaded", "path": "/configuration/name"}} with input as {"resource": {"configuration": {"name": "cramfs", "unsigned": false}}, "parameters": parameters}
}

test_an_unsigned_module if {
	kernel_modules.deny == {{"msg": "the kernel module vendor bears no signature", "path": "/configuration/unsigned"}} with input as {"resource": {"configuration": {"name": "vendor", "unsigned": true}}, "parameters": parameters}
}

test_an_unsigned_module_where_allowed if {
	count(kernel_modules.deny) == 0 with input as {"resource": {"configuration": {"name": "vendor", "unsigned": true}}, "parameters": {"unwanted": [], "allow_unsigned": true}}
}

test_a_common_module if {
	count(kernel_modules.deny) == 0 with input as {"resource": {"configuration": {"name": "ext4", "unsigned": false}}, "parameters": parameters}
}
