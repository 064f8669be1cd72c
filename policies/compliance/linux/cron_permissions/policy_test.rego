package compliance.linux.cron_permissions_test

import data.compliance.linux.cron_permissions

test_others_may_write if {
	file := {"path": "/etc/cron.d/backup", "type": "file", "mode": "0664", "uid": 0, "worldWritable": false, "groupWritable": true}
	cron_permissions.deny == {{"msg": "/etc/cron.d/backup can be written by others than root (mode 0664)", "path": "/configuration/mode"}} with input.resource as {"configuration": file}
}

test_another_owner if {
	file := {"path": "/etc/cron.daily", "type": "directory", "mode": "0755", "uid": 1000, "worldWritable": false, "groupWritable": false}
	cron_permissions.deny == {{"msg": "/etc/cron.daily belongs to user id 1000, not to root", "path": "/configuration/uid"}} with input.resource as {"configuration": file}
}

test_the_usual_permissions_are_clean if {
	file := {"path": "/etc/crontab", "type": "file", "mode": "0644", "uid": 0, "worldWritable": false, "groupWritable": false}
	count(cron_permissions.deny) == 0 with input.resource as {"configuration": file}
	not cron_permissions.not_applicable with input.resource as {"configuration": file}
}

test_other_files_are_not_judged if {
	cron_permissions.not_applicable with input.resource as {"configuration": {"path": "/etc/cron.deny", "type": "file"}}
}
