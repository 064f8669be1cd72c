package compliance.linux.listener_without_package_test

import data.compliance.linux.listener_without_package

listener := {"protocol": "tcp", "address": "0.0.0.0", "port": 4444, "loopback": false, "processes": ["/tmp/x@root"]}

test_nobody_knows_the_program if {
	listener_without_package.deny == {{"msg": "/tmp/x, which no package installed, listens at 0.0.0.0 port 4444 (tcp)", "path": "/configuration/processes/0"}} with input as {"resource": {"configuration": listener}, "parameters": {"trusted_folders": ["/opt/ours"]}}
		with data.resources as {"Linux::Process::Process": {"/tmp/x@root": {"configuration": {"executable": "/tmp/x"}}}}
}

test_the_program_is_of_a_package if {
	count(listener_without_package.deny) == 0 with input as {"resource": {"configuration": listener}, "parameters": {"trusted_folders": []}}
		with data.resources as {"Linux::Process::Process": {"/tmp/x@root": {"configuration": {"executable": "/tmp/x", "package": "x:amd64"}}}}
}

test_the_program_is_in_a_container if {
	count(listener_without_package.deny) == 0 with input as {"resource": {"configuration": listener}, "parameters": {"trusted_folders": []}}
		with data.resources as {"Linux::Process::Process": {"/tmp/x@root": {"configuration": {"executable": "/tmp/x", "container": "0f"}}}}
}

test_the_program_is_in_a_trusted_folder if {
	count(listener_without_package.deny) == 0 with input as {"resource": {"configuration": listener}, "parameters": {"trusted_folders": ["/tmp/"]}}
		with data.resources as {"Linux::Process::Process": {"/tmp/x@root": {"configuration": {"executable": "/tmp/x"}}}}
}

test_the_process_is_not_recorded if {
	count(listener_without_package.deny) == 0 with input as {"resource": {"configuration": listener}, "parameters": {"trusted_folders": []}}
		with data.resources as {}
}

test_loopback_is_not_judged if {
	listener_without_package.not_applicable with input as {"resource": {"configuration": {"loopback": true, "processes": []}}, "parameters": {"trusted_folders": []}}
}
