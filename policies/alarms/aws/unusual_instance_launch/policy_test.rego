package alarms.aws.unusual_instance_launch_test

import data.alarms.aws.unusual_instance_launch

test_a_gpu_instance_alarms if {
	count(unusual_instance_launch.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "failure", "error": {"code": "Client.UnauthorizedOperation"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceType": "p2.xlarge"}}}
}

test_a_small_instance_is_clean if {
	count(unusual_instance_launch.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceType": "t3.micro"}}}
}

test_a_very_large_instance_alarms if {
	count(unusual_instance_launch.alarm) == 1 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceType": "m5.24xlarge"}}}
}

test_a_whole_machine_alarms if {
	count(unusual_instance_launch.alarm) == 1 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceType": "c7g.metal"}}}
}

test_a_usual_size_is_clean if {
	count(unusual_instance_launch.alarm) == 0 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceType": "m5.2xlarge"}}}
}

test_a_launch_template_is_clean if {
	count(unusual_instance_launch.alarm) == 0 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ec2:RunInstances", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"launchTemplate": {}}}}
}
