package compliance.linux.shadow_permissions_test

import data.compliance.linux.shadow_permissions

test_everything_is_wrong if {
	file := {"path": "/etc/shadow", "mode": "0666", "uid": 1000, "group": "users", "worldReadable": true, "worldWritable": true, "groupWritable": true}
	shadow_permissions.deny == {
		{"msg": "/etc/shadow belongs to user id 1000, not to root", "path": "/configuration/uid"},
		{"msg": "/etc/shadow belongs to group users", "path": "/configuration/group"},
		{"msg": "/etc/shadow can be read by everybody (mode 0666)", "path": "/configuration/mode"},
		{"msg": "/etc/shadow can be written by others (mode 0666)", "path": "/configuration/mode"},
	} with input as {"resource": {"configuration": file}, "parameters": {"groups": ["root", "shadow"]}}
}

test_the_usual_permissions_are_clean if {
	file := {"path": "/etc/shadow", "mode": "0640", "uid": 0, "group": "shadow", "worldReadable": false, "worldWritable": false, "groupWritable": false}
	count(shadow_permissions.deny) == 0 with input as {"resource": {"configuration": file}, "parameters": {"groups": ["root", "shadow"]}}
	not shadow_permissions.not_applicable with input as {"resource": {"configuration": file}, "parameters": {"groups": ["root", "shadow"]}}
}

test_other_files_are_not_judged if {
	shadow_permissions.not_applicable with input as {"resource": {"configuration": {"path": "/etc/motd"}}, "parameters": {"groups": []}}
}
