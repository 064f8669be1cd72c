package compliance.linux.passwd_permissions_test

import data.compliance.linux.passwd_permissions

test_others_may_write if {
	file := {"path": "/etc/passwd", "mode": "0664", "uid": 0, "worldWritable": false, "groupWritable": true}
	passwd_permissions.deny == {{"msg": "/etc/passwd can be written by others than root (mode 0664)", "path": "/configuration/mode"}} with input.resource as {"configuration": file}
}

test_another_owner if {
	file := {"path": "/etc/group", "mode": "0644", "uid": 5, "worldWritable": false, "groupWritable": false}
	passwd_permissions.deny == {{"msg": "/etc/group belongs to user id 5, not to root", "path": "/configuration/uid"}} with input.resource as {"configuration": file}
}

test_the_usual_permissions_are_clean if {
	file := {"path": "/etc/passwd", "mode": "0644", "uid": 0, "worldWritable": false, "groupWritable": false}
	count(passwd_permissions.deny) == 0 with input.resource as {"configuration": file}
}

test_other_files_are_not_judged if {
	passwd_permissions.not_applicable with input.resource as {"configuration": {"path": "/etc/motd"}}
}
