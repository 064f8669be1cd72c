// Package dispatch decides before Rego runs which alarms an event can match, so that the cost of an
// event follows the alarms that can match it and not all there are.
//
// Requirements reads from the compiled rules what an event must have: constants that its source,
// action, outcome, error code, or any other text in it is compared with, through variables, constant
// rules and simple helpers. Index files alarms under these. Both may only err towards running an alarm:
// a condition that is not understood is no condition.
package dispatch
