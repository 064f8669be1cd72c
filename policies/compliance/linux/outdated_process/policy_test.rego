package compliance.linux.outdated_process_test

import data.compliance.linux.outdated_process

test_the_program_was_replaced if {
	outdated_process.deny == {{"msg": "sshd runs /usr/sbin/sshd, which was replaced or removed since it was started", "path": "/configuration/replaced"}} with input.resource as {"configuration": {"name": "sshd", "executable": "/usr/sbin/sshd", "replaced": true}}
}

test_the_program_is_the_same if {
	count(outdated_process.deny) == 0 with input.resource as {"configuration": {"name": "sshd", "executable": "/usr/sbin/sshd", "replaced": false}}
}
