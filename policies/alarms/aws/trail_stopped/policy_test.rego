package alarms.aws.trail_stopped_test

import data.alarms.aws.trail_stopped

test_stopping_alarms if {
	count(trail_stopped.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "cloudtrail:StopLogging", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"name": "main"}}}
}

test_deleting_alarms if {
	count(trail_stopped.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "cloudtrail:DeleteTrail", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_leaving_out_management_events_alarms if {
	count(trail_stopped.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "cloudtrail:PutEventSelectors", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"trailName": "main", "eventSelectors": [{"includeManagementEvents": false}]}}}
}

test_a_refused_call_is_clean if {
	count(trail_stopped.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "cloudtrail:StopLogging", "outcome": "failure", "error": {"code": "AccessDenied"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_selectors_that_keep_management_events_are_clean if {
	count(trail_stopped.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "cloudtrail:PutEventSelectors", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"eventSelectors": [{"includeManagementEvents": true, "readWriteType": "All"}]}}}
}

test_advanced_selectors_without_management_alarm if {
	count(trail_stopped.alarm) == 1 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "cloudtrail:PutEventSelectors", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"advancedEventSelectors": [{"fieldSelectors": [{"field": "eventCategory", "equals": ["Data"]}]}]}}}
}

test_advanced_selectors_with_management_are_clean if {
	count(trail_stopped.alarm) == 0 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "cloudtrail:PutEventSelectors", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"advancedEventSelectors": [{"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]}]}}}
}
