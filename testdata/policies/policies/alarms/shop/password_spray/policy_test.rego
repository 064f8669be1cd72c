package alarms.shop.password_spray_test

import data.alarms.shop.password_spray

login(outcome) := {
	"source": "aws.cloudtrail", "action": "signin:ConsoleLogin", "outcome": outcome, "error": {},
	"actor": {"name": "alice"}, "origin": {"address": "198.51.100.7"}, "targets": [],
}

test_a_refused_login_counts if {
	some match in password_spray.alarm with input.event as login("failure")
	match.key == "198.51.100.7"
	match.value == "alice"
}

test_a_login_is_clean if {
	count(password_spray.alarm) == 0 with input.event as login("success")
}
