package compliance.linux.sudo_everyone_test

import data.compliance.linux.sudo_everyone

test_everybody_is_root if {
	rule := {"everyone": true, "commands": [{"command": "ALL", "negated": false}]}
	sudo_everyone.deny == {{"msg": "everybody may run ALL as root", "path": "/configuration/users"}} with input.resource as {"configuration": rule}
}

test_everybody_is_somebody if {
	rule := {"everyone": true, "commands": [{"command": "/bin/id", "negated": false, "runAsUsers": [{"name": "a"}, {"name": "b"}]}]}
	sudo_everyone.deny == {{"msg": "everybody may run /bin/id as a, b", "path": "/configuration/users"}} with input.resource as {"configuration": rule}
}

test_one_group_is_clean if {
	rule := {"everyone": false, "commands": [{"command": "ALL", "negated": false}]}
	count(sudo_everyone.deny) == 0 with input.resource as {"configuration": rule}
}
