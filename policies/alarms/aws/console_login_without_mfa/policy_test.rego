package alarms.aws.console_login_without_mfa_test

import data.alarms.aws.console_login_without_mfa

test_a_password_alone_alarms if {
	count(console_login_without_mfa.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "signin:ConsoleLogin", "outcome": "success", "error": {}, "actor": {"type": "IAMUser", "id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"additionalEventData": {"MFAUsed": "No"}, "responseElements": {"ConsoleLogin": "Success"}}}
}

test_a_second_factor_is_clean if {
	count(console_login_without_mfa.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "signin:ConsoleLogin", "outcome": "success", "error": {}, "actor": {"type": "IAMUser", "id": "arn:aws:iam::111122223333:user/bob"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"additionalEventData": {"MFAUsed": "Yes"}}}
}

test_federation_is_clean if {
	count(console_login_without_mfa.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "signin:ConsoleLogin", "outcome": "success", "error": {}, "actor": {"type": "AssumedRole", "id": "x"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"additionalEventData": {"MFAUsed": "No"}}}
}
