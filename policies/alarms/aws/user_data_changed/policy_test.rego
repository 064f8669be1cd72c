package alarms.aws.user_data_changed_test

import data.alarms.aws.user_data_changed

test_changing_user_data_alarms if {
	count(user_data_changed.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:ModifyInstanceAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceId": "i-1", "userData": "<sensitiveDataRemoved>"}}}
}

test_changing_another_attribute_is_clean if {
	count(user_data_changed.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:ModifyInstanceAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceId": "i-1", "instanceType": {"value": "t3.micro"}}}}
}
