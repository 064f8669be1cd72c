package compliance.linux.tmp_mount_options_test

import data.compliance.linux.tmp_mount_options

parameters := {"mount_points": ["/tmp"], "options": ["nodev", "nosuid"]}

test_an_option_is_missing if {
	mount := {"mountPoint": "/tmp", "options": ["nodev", "rw"]}
	tmp_mount_options.deny == {{"msg": "/tmp is mounted without nosuid", "path": "/configuration/options"}} with input as {"resource": {"configuration": mount}, "parameters": parameters}
}

test_all_options_are_there if {
	mount := {"mountPoint": "/tmp", "options": ["nodev", "nosuid", "rw"]}
	count(tmp_mount_options.deny) == 0 with input as {"resource": {"configuration": mount}, "parameters": parameters}
	not tmp_mount_options.not_applicable with input as {"resource": {"configuration": mount}, "parameters": parameters}
}

test_other_mounts_are_not_judged if {
	tmp_mount_options.not_applicable with input as {"resource": {"configuration": {"mountPoint": "/", "options": ["rw"]}}, "parameters": parameters}
}
