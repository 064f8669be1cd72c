package compliance.linux.sshd_config_permissions_test

import data.compliance.linux.sshd_config_permissions

test_others_may_write if {
	file := {"path": "/etc/ssh/sshd_config.d/10.conf", "type": "file", "mode": "0666", "uid": 0, "worldWritable": true, "groupWritable": true, "worldReadable": true}
	sshd_config_permissions.deny == {{"msg": "/etc/ssh/sshd_config.d/10.conf can be written by others than root (mode 0666)", "path": "/configuration/mode"}} with input.resource as {"configuration": file}
}

test_a_readable_key if {
	file := {"path": "/etc/ssh/ssh_host_ed25519_key", "type": "file", "mode": "0644", "uid": 0, "worldWritable": false, "groupWritable": false, "worldReadable": true}
	sshd_config_permissions.deny == {{"msg": "the private key /etc/ssh/ssh_host_ed25519_key can be read by everybody (mode 0644)", "path": "/configuration/mode"}} with input.resource as {"configuration": file}
}

test_another_owner if {
	file := {"path": "/etc/ssh/sshd_config", "type": "file", "mode": "0644", "uid": 7, "worldWritable": false, "groupWritable": false, "worldReadable": true}
	sshd_config_permissions.deny == {{"msg": "/etc/ssh/sshd_config belongs to user id 7, not to root", "path": "/configuration/uid"}} with input.resource as {"configuration": file}
}

test_the_usual_permissions_are_clean if {
	file := {"path": "/etc/ssh/sshd_config", "type": "file", "mode": "0644", "uid": 0, "worldWritable": false, "groupWritable": false, "worldReadable": true}
	count(sshd_config_permissions.deny) == 0 with input.resource as {"configuration": file}
	not sshd_config_permissions.not_applicable with input.resource as {"configuration": file}
}

test_public_keys_are_not_judged if {
	sshd_config_permissions.not_applicable with input.resource as {"configuration": {"path": "/etc/ssh/ssh_host_ed25519_key.pub", "type": "file"}}
}

test_links_are_not_judged if {
	sshd_config_permissions.not_applicable with input.resource as {"configuration": {"path": "/etc/ssh/sshd_config", "type": "symlink"}}
}
