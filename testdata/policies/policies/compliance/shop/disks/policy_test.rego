package compliance.shop.disks_test

import data.compliance.shop.disks

disk := {
	"resourceId": "vol-1",
	"tags": {"team": "till"},
	"configuration": {"encrypted": true, "size": 100, "attachments": [{"instanceId": "i-1"}]},
}

instances := {"AWS::EC2::Instance": {"i-1": {"tags": {"team": "till"}}}}

test_an_encrypted_disk_is_clean if {
	count(disks.deny) == 0 with input as {"resource": disk, "parameters": {"maxSize": 500}} with data.resources as instances
}

test_a_plain_disk_is_denied if {
	plain := object.union(disk, {"configuration": {"encrypted": false}})
	some d in disks.deny with input as {"resource": plain, "parameters": {"maxSize": 500}} with data.resources as instances
	d.msg == "disk vol-1 is not encrypted"
}

test_a_large_disk_is_denied if {
	count(disks.deny) == 1 with input as {"resource": disk, "parameters": {"maxSize": 50}} with data.resources as instances
}

test_a_disk_of_another_team_is_denied if {
	other := object.union(disk, {"tags": {"team": "web"}})
	count(disks.deny) == 1 with input as {"resource": other, "parameters": {"maxSize": 500}} with data.resources as instances
}

test_a_scratch_disk_is_not_judged if {
	disks.not_applicable with input as {"resource": object.union(disk, {"tags": {"purpose": "scratch"}}), "parameters": {"maxSize": 500}}
}
