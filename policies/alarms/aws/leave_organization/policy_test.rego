package alarms.aws.leave_organization_test

import data.alarms.aws.leave_organization

test_an_attempt_alarms if {
	count(leave_organization.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "organizations:LeaveOrganization", "outcome": "failure", "error": {"code": "AccessDenied"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_describing_is_clean if {
	count(leave_organization.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "organizations:DescribeOrganization", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}
