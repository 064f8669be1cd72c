package alarms.aws.foreign_trust_test

import data.alarms.aws.foreign_trust

test_a_changed_trust_policy_alarms if {
	count(foreign_trust.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "iam:UpdateAssumeRolePolicy", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"roleName": "r", "policyDocument": "{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::999900001111:root\"}}]}"}}}
}

test_a_new_role_alarms if {
	count(foreign_trust.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "iam:CreateRole", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"roleName": "r", "assumeRolePolicyDocument": "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": {\"AWS\": [\"arn:aws:iam::999900001111:root\"]}}}"}}}
}

test_a_trust_anchor_alarms if {
	count(foreign_trust.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "rolesanywhere:CreateTrustAnchor", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"name": "a"}}}
}

test_the_own_account_is_clean if {
	count(foreign_trust.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "iam:UpdateAssumeRolePolicy", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"roleName": "r", "policyDocument": "{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"}}]}"}}}
}

test_a_service_is_clean if {
	count(foreign_trust.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "iam:CreateRole", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"roleName": "r", "assumeRolePolicyDocument": "{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": {\"Service\": \"ec2.amazonaws.com\"}}]}"}}}
}

test_a_role_for_everyone_alarms if {
	count(foreign_trust.alarm) == 1 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "iam:CreateRole", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"roleName": "r", "assumeRolePolicyDocument": "{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": \"*\"}]}"}}}
}
