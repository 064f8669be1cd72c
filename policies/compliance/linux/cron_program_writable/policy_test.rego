package compliance.linux.cron_program_writable_test

import data.compliance.linux.cron_program_writable

entry := {"userName": "root", "command": "sh /srv/backup.sh > /dev/null", "ignored": false}

test_others_may_write if {
	cron_program_writable.deny == {
		{"msg": "root's cron runs /srv/backup.sh, which user id 1000 owns", "path": "/configuration/command"},
		{"msg": "root's cron runs /srv/backup.sh, which others may write (mode 0775)", "path": "/configuration/command"},
	} with input.resource as {"configuration": entry}
		with data.resources as {"Linux::File::File": {"/srv/backup.sh": {"configuration": {"path": "/srv/backup.sh", "type": "file", "mode": "0775", "uid": 1000, "worldWritable": false, "groupWritable": true}}}}
}

test_root_alone_may_write if {
	count(cron_program_writable.deny) == 0 with input.resource as {"configuration": entry}
		with data.resources as {"Linux::File::File": {"/srv/backup.sh": {"configuration": {"path": "/srv/backup.sh", "type": "file", "mode": "0755", "uid": 0, "worldWritable": false, "groupWritable": false}}}}
}

test_the_script_is_not_recorded if {
	count(cron_program_writable.deny) == 0 with input.resource as {"configuration": entry}
		with data.resources as {}
}

test_other_users_are_not_judged if {
	cron_program_writable.not_applicable with input.resource as {"configuration": {"userName": "alice", "command": "/home/alice/x", "ignored": false}}
		with data.resources as {}
}
