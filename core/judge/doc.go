// Package judge runs policies on recorded items, the same for the pipeline and for a backtest: on the
// version that is current with the one before it, reading other resources from the store overlaid with
// the batch under way, and with what a policy's verdicts turn into findings and episodes by.
//
// Judging happens ahead, outside the transaction that stores (Items), and is held against the committed
// state when its turn comes (Settle), so that many processors can judge and the result is that of judging
// one item after the other.
//
// The package writes nothing.
package judge
