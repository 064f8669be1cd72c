package compliance.linux.service_program_writable_test

import data.compliance.linux.service_program_writable

process := {"name": "app", "executable": "/opt/app", "uid": 0}

test_everybody_may_write if {
	service_program_writable.deny == {
		{"msg": "everybody may write to /opt/app, the program of app", "path": "/configuration/executable"},
		{"msg": "group id 100 may write to /opt/app, the program of app", "path": "/configuration/executable"},
		{"msg": "/opt/app, the program of app, belongs to user id 1000", "path": "/configuration/executable"},
	} with input.resource as {"configuration": process}
		with data.resources as {"Linux::File::File": {"/opt/app": {"configuration": {"path": "/opt/app", "uid": 1000, "gid": 100, "worldWritable": true, "groupWritable": true}}}}
}

test_root_alone_may_write if {
	count(service_program_writable.deny) == 0 with input.resource as {"configuration": process}
		with data.resources as {"Linux::File::File": {"/opt/app": {"configuration": {"path": "/opt/app", "uid": 0, "gid": 0, "worldWritable": false, "groupWritable": true}}}}
}

test_the_services_own_user_may_write if {
	count(service_program_writable.deny) == 0 with input.resource as {"configuration": {"name": "app", "executable": "/opt/app", "uid": 1000}}
		with data.resources as {"Linux::File::File": {"/opt/app": {"configuration": {"path": "/opt/app", "uid": 1000, "gid": 1000, "worldWritable": false, "groupWritable": false}}}}
}

test_the_file_is_not_recorded if {
	count(service_program_writable.deny) == 0 with input.resource as {"configuration": process}
		with data.resources as {}
}

test_containers_are_not_judged if {
	service_program_writable.not_applicable with input.resource as {"configuration": {"name": "app", "executable": "/opt/app", "uid": 0, "container": "0f"}}
		with data.resources as {}
}
