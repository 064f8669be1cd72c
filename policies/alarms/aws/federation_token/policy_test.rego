package alarms.aws.federation_token_test

import data.alarms.aws.federation_token

test_a_token_alarms if {
	count(federation_token.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "sts:GetFederationToken", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"name": "x"}}}
}

test_a_session_token_is_clean if {
	count(federation_token.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "sts:GetSessionToken", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}
