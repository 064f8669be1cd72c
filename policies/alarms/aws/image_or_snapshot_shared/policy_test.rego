package alarms.aws.image_or_snapshot_shared_test

import data.alarms.aws.image_or_snapshot_shared

test_sharing_an_image_alarms if {
	count(image_or_snapshot_shared.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:ModifyImageAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"imageId": "ami-1", "launchPermission": {"add": {"items": [{"userId": "999900001111"}]}}}}}
}

test_sharing_a_snapshot_with_all_alarms if {
	count(image_or_snapshot_shared.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:ModifySnapshotAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"snapshotId": "snap-1", "createVolumePermission": {"add": {"items": [{"group": "all"}]}}}}}
}

test_taking_back_is_clean if {
	count(image_or_snapshot_shared.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:ModifyImageAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"imageId": "ami-1", "launchPermission": {"remove": {"items": [{"userId": "999900001111"}]}}}}}
}
