package alarms.aws.flow_logs_deleted_test

import data.alarms.aws.flow_logs_deleted

test_deleting_alarms if {
	count(flow_logs_deleted.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:DeleteFlowLogs", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_a_refused_call_is_clean if {
	count(flow_logs_deleted.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:DeleteFlowLogs", "outcome": "failure", "error": {"code": "Client.UnauthorizedOperation"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}
