package compliance.linux.world_writable_test

import data.compliance.linux.world_writable

test_everybody_may_write if {
	world_writable.deny == {{"msg": "everybody may write to /etc/motd (mode 0666)", "path": "/configuration/mode"}} with input.resource as {"configuration": {"path": "/etc/motd", "type": "file", "mode": "0666", "worldWritable": true, "sticky": false}}
}

test_a_sticky_folder_is_clean if {
	count(world_writable.deny) == 0 with input.resource as {"configuration": {"path": "/tmp", "type": "directory", "mode": "1777", "worldWritable": true, "sticky": true}}
}

test_a_readable_file_is_clean if {
	count(world_writable.deny) == 0 with input.resource as {"configuration": {"path": "/etc/motd", "type": "file", "mode": "0644", "worldWritable": false, "sticky": false}}
}

test_a_socket_is_not_judged if {
	world_writable.not_applicable with input.resource as {"configuration": {"path": "/run/x.sock", "type": "socket", "worldWritable": true, "sticky": false}}
}
