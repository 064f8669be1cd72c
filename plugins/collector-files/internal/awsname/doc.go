// Package awsname names AWS resources as AWS Config does, from what CloudTrail records and other
// sources say of them: an ARN, an id, or the parameter of a service. An event's targets and a
// configuration item's relationships then meet the items themselves.
//
// Which part of an ARN is the resource's id in AWS Config differs from type to type: the name for a
// bucket or a table, the whole ARN for a topic or a stack, a unique id that the ARN does not hold at
// all for a user or a database instance. Where the id cannot be told, the name is; nothing is guessed.
//
// The tables are facts of AWS, checked against real items. Types that AWS Config does not record have
// their CloudFormation names.
package awsname
