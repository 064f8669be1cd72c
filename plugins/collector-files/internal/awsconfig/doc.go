// Package awsconfig turns what AWS Config writes into items in Regent's form.
//
// AWS Config says the same thing in several ways: snapshot and history files, notifications through SNS
// and EventBridge, the events that its rules are called with, and the answers of its API. They differ in
// the names of members (awsAccountId, accountId; ARN, arn; availibilityZone), in whether the
// configuration is an object or JSON in a string, and in how relationships and tags are listed. A Mapper
// finds the items in any of them and writes them under the names of Regent, so that one resource that is
// reported in two ways has one history.
//
// Values are copied as they stand: numbers keep their literal, and strings stay strings, but for the
// configuration of an answer of the API, which holds all of it as JSON in strings. Members that are null or empty texts are left out.
//
// Items that Regent itself wrote into snapshot and history files are marked, and become again what they
// were.
package awsconfig
