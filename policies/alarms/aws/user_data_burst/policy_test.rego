package alarms.aws.user_data_burst_test

import data.alarms.aws.user_data_burst

test_user_data_is_read if {
	count(user_data_burst.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:DescribeInstanceAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"attribute": "userData", "instanceId": "i-1"}}}
}

test_another_attribute_is_clean if {
	count(user_data_burst.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:DescribeInstanceAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"attribute": "instanceType", "instanceId": "i-1"}}}
}

test_the_instance_is_the_value if {
	{m.value | some m in user_data_burst.alarm} == {"i-1"} with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ec2:DescribeInstanceAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceId": "i-1", "attribute": "userData"}}}
}
