package table

// Name is the name of a table, in the lake's folders and in SQL.
type Name string

// The tables of the lake.
const (
	Events      Name = "events"
	Items       Name = "configuration_items"
	Verdicts    Name = "verdicts"
	Findings    Name = "findings"
	Alarms      Name = "alarms"
	Causes      Name = "causes"
	Deliveries  Name = "deliveries"
	Quarantines Name = "quarantine"
	Gaps        Name = "gaps"
)

// Names lists all tables in the order in which they are documented.
var Names = [...]Name{Items, Events, Verdicts, Findings, Alarms, Causes, Deliveries, Quarantines, Gaps}
