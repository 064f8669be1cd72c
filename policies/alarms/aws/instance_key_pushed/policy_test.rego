package alarms.aws.instance_key_pushed_test

import data.alarms.aws.instance_key_pushed

test_a_key_alarms if {
	count(instance_key_pushed.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2-instance-connect:SendSSHPublicKey", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceId": "i-1"}}}
}

test_the_serial_console_alarms if {
	count(instance_key_pushed.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:EnableSerialConsoleAccess", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_a_refused_push_is_clean if {
	count(instance_key_pushed.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2-instance-connect:SendSSHPublicKey", "outcome": "failure", "error": {"code": "AccessDenied"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}
