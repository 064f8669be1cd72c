package alarms.aws.administrator_granted_test

import data.alarms.aws.administrator_granted

test_attaching_to_a_user_alarms if {
	count(administrator_granted.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "iam:AttachUserPolicy", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}}}
}

test_attaching_to_a_role_in_another_partition_alarms if {
	count(administrator_granted.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "iam:AttachRolePolicy", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"roleName": "r", "policyArn": "arn:aws-cn:iam::aws:policy/AdministratorAccess"}}}
}

test_another_policy_is_clean if {
	count(administrator_granted.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "iam:AttachUserPolicy", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}}}
}

test_everything_in_line_alarms if {
	count(administrator_granted.alarm) == 1 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "iam:PutUserPolicy", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve", "policyName": "p", "policyDocument": "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}}"}}}
}

test_one_service_in_line_is_clean if {
	count(administrator_granted.alarm) == 0 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "iam:PutRolePolicy", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"roleName": "r", "policyName": "p", "policyDocument": "{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": [\"s3:*\"], \"Resource\": [\"*\"]}]}"}}}
}
