package alarms.aws.dns_query_logging_deleted_test

import data.alarms.aws.dns_query_logging_deleted

test_deleting_alarms if {
	count(dns_query_logging_deleted.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "route53resolver:DeleteResolverQueryLogConfig", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_creating_is_clean if {
	count(dns_query_logging_deleted.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "route53resolver:CreateResolverQueryLogConfig", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}
