package compliance.linux.unwanted_packages_test

import data.compliance.linux.unwanted_packages

test_an_unwanted_package if {
	unwanted_packages.deny == {{"msg": "the package telnetd is installed", "path": "/configuration/name"}} with input as {"resource": {"configuration": {"name": "telnetd", "installed": true}}, "parameters": {"names": ["telnetd", "nis"]}}
}

test_what_is_left_of_one if {
	count(unwanted_packages.deny) == 0 with input as {"resource": {"configuration": {"name": "nis", "installed": false}}, "parameters": {"names": ["telnetd", "nis"]}}
}

test_another_package if {
	count(unwanted_packages.deny) == 0 with input as {"resource": {"configuration": {"name": "bash", "installed": true}}, "parameters": {"names": ["telnetd", "nis"]}}
}
