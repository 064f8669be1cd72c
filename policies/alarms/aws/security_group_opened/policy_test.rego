package alarms.aws.security_group_opened_test

import data.alarms.aws.security_group_opened

test_the_flat_form_alarms if {
	count(security_group_opened.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:AuthorizeSecurityGroupIngress", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"groupId": "sg-1", "cidrIp": "0.0.0.0/0", "fromPort": 22, "toPort": 22, "ipProtocol": "tcp", "ipPermissions": {}}}}
}

test_the_nested_form_alarms if {
	count(security_group_opened.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:AuthorizeSecurityGroupIngress", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"groupId": "sg-1", "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 3000, "toPort": 4000, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}, "ipv6Ranges": {}}]}}}}
}

test_a_private_range_is_clean if {
	count(security_group_opened.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:AuthorizeSecurityGroupIngress", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"groupId": "sg-1", "cidrIp": "10.0.0.0/8", "fromPort": 22, "toPort": 22, "ipProtocol": "tcp"}}}
}

test_another_port_is_clean if {
	count(security_group_opened.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:AuthorizeSecurityGroupIngress", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"groupId": "sg-1", "cidrIp": "0.0.0.0/0", "fromPort": 443, "toPort": 443, "ipProtocol": "tcp"}}}
}
