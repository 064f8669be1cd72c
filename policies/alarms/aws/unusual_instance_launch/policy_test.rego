package alarms.aws.unusual_instance_launch_test

import data.alarms.aws.unusual_instance_launch

test_a_gpu_instance_alarms if {
	count(unusual_instance_launch.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "failure", "error": {"code": "Client.UnauthorizedOperation"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceType": "p2.xlarge"}}}
}

test_a_small_instance_is_clean if {
	count(unusual_instance_launch.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceType": "t3.micro"}}}
}
