package query

import (
	"slices"

	"github.com/regent-dev/regent/core/lake/table"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Column is a column with its type in SQL and what it means.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Doc  string `json:"doc"`
}

// Table is something that can stand behind FROM.
type Table struct {
	// Name is the name, with the parameters of a table function: "resources_at(ts)".
	Name    string   `json:"name"`
	Doc     string   `json:"doc"`
	Columns []Column `json:"columns"`
	// Example is a query that uses it.
	Example string `json:"example"`
}

// The types of columns.
const (
	typeNumber = "BIGINT"
	typeText   = "VARCHAR"
	typeTime   = "TIMESTAMP WITH TIME ZONE"
	typeJSON   = "JSON"
	typeBytes  = "BLOB"
	typeTexts  = "VARCHAR[]"
	typeMap    = "MAP(VARCHAR, VARCHAR)"

	typeTargets       = `STRUCT("resource_type" VARCHAR, "resource_id" VARCHAR, "name" VARCHAR, "account_id" VARCHAR, "region" VARCHAR)[]`
	typeRelationships = `STRUCT("resource_type" VARCHAR, "resource_id" VARCHAR, "resource_name" VARCHAR, "name" VARCHAR)[]`
)

// common are the first columns of every table.
var common = []Column{
	{"number", typeNumber, "Counts the rows of the table in the order in which they were recorded."},
	{"time", typeTime, "When it happened, or was captured."},
	{"received", typeTime, "When Regent had it."},
}

// resource are the columns that name a resource.
var resource = []Column{
	{"account_id", typeText, "The account; for a machine, its machine id."},
	{"region", typeText, "The region."},
	{"resource_type", typeText, "Vendor::Service::Type."},
	{"resource_id", typeText, "The resource's id, unique with the three before."},
}

func columns(parts ...any) []Column {
	var out []Column
	for _, p := range parts {
		switch x := p.(type) {
		case []Column:
			out = append(out, x...)
		case Column:
			out = append(out, x)
		}
	}
	return out
}

// files are the tables as their files have them, in the schema lake.
var files = map[table.Name][]Column{
	table.Items: columns(common,
		Column{"instance", typeText, "The collector that captured it."}, resource,
		Column{"resource_name", typeText, "The resource's name."},
		Column{"arn", typeText, "The resource's ARN, where it has one."},
		Column{"status", typeText, "What the version says: OK, ResourceDiscovered, ResourceDeleted, ResourceNotRecorded."},
		Column{"tags", typeMap, "The resource's tags."},
		Column{"relationships", typeRelationships, "The resources that it points to."},
		Column{"content_sha256", typeText, "The hash of the content; a version differs from the one before in it."},
		Column{"as_of", typeTime, "NULL, but in a checkpoint, whose rows repeat the versions in force at that time."},
		Column{"record", typeJSON, "The item as it was accepted."}),
	table.Events: columns(common,
		Column{"instance", typeText, "The collector that sent it."},
		Column{"id", typeText, "The event's id at its source."},
		Column{"source", typeText, "Where it was recorded: aws.cloudtrail."},
		Column{"type", typeText, "The source's own kind of event."},
		Column{"action", typeText, "What was done: s3:PutBucketPolicy."},
		Column{"outcome", typeText, "success, failure or unknown."},
		Column{"error_code", typeText, "Why it failed."},
		Column{"actor_type", typeText, "What kind of actor did it."},
		Column{"actor_id", typeText, "Who did it."},
		Column{"actor_name", typeText, "The actor's name."},
		Column{"actor_account_id", typeText, "The actor's account."},
		Column{"actor_session_id", typeText, "The session or key in which it was done."},
		Column{"origin_address", typeText, "The address it came from."},
		Column{"origin_user_agent", typeText, "The program it was done with."},
		Column{"account_id", typeText, "The account in which it was done."},
		Column{"region", typeText, "The region in which it was done."},
		Column{"targets", typeTargets, "The resources it was done to; unnest them to join."},
		Column{"record", typeJSON, "The event as it was accepted."}),
	table.Verdicts: columns(common,
		Column{"policy", typeText, "The policy's package: compliance.aws.encrypted_volumes."},
		Column{"outcome", typeText, "COMPLIANT, NON_COMPLIANT, NOT_APPLICABLE, ERROR, INSUFFICIENT_DATA, or REMOVED."}, resource,
		Column{"item_number", typeNumber, "The number of the item version that was judged."},
		Column{"reason", typeText, "Why the outcome is what it is, where it is no denial."},
		Column{"messages", typeTexts, "What the policy says."},
		Column{"policy_sha256", typeText, "The policy that judged, by its digest."},
		Column{"record", typeJSON, "The whole verdict."},
		Column{"as_of", typeTime, "NULL, but in a checkpoint, whose rows repeat the verdicts in force at that time."}),
	table.Findings: columns(common,
		Column{"id", typeText, "The finding."},
		Column{"policy", typeText, "The policy it is of."},
		Column{"status", typeText, "OPEN or RESOLVED."},
		Column{"outcome", typeText, "The verdict's outcome then."},
		Column{"severity", typeText, "critical, high, medium, low or info."},
		Column{"title", typeText, "The policy's title."}, resource,
		Column{"first_seen", typeTime, "When the finding was opened."},
		Column{"resolved_at", typeTime, "When it was resolved."},
		Column{"resolution", typeText, "How it was resolved."},
		Column{"regressions", typeNumber, "How often it came back."},
		Column{"waiver", typeText, "The waiver that accepts it."},
		Column{"item_number", typeNumber, "The number of the item version that made the state."},
		Column{"record", typeJSON, "The whole finding."},
		Column{"as_of", typeTime, "NULL, but in a checkpoint, whose rows repeat the findings that were open at that time."}),
	table.Alarms: columns(common,
		Column{"id", typeText, "The episode."},
		Column{"policy", typeText, "The alarm policy."},
		Column{"state", typeText, "ALARM, OK or INSUFFICIENT_DATA."},
		Column{"severity", typeText, "critical, high, medium, low or info."},
		Column{"account_id", typeText, "The account it is in."},
		Column{"key", typeText, "What is counted by itself: the actor, or what the policy says."},
		Column{"message", typeText, "What the policy says."},
		Column{"started_at", typeTime, "When the episode began."},
		Column{"last_match", typeTime, "The latest match."},
		Column{"ended_at", typeTime, "When the episode ended."},
		Column{"matches", typeNumber, "How many matches it had then."},
		Column{"record", typeJSON, "The whole episode."}),
	table.Causes: columns(common,
		Column{"cause", typeNumber, "The cause; a later row of the same number says what came to be known of it."},
		Column{"revision", typeNumber, "How often it was looked at; 0 until events were looked for."},
		Column{"step", typeText, "What it did to the finding: opened, changed or resolved."},
		Column{"kind", typeText, "What changed: version, dependency, policy, waiver or time."},
		Column{"finding", typeText, "The finding it is of."},
		Column{"policy", typeText, "The finding's policy."}, resource,
		Column{"item_number", typeNumber, "The number of the item version that changed the finding."},
		Column{"outcome", typeText, "The outcome that it led to."},
		Column{"event_number", typeNumber, "The number of the likeliest event; NULL where no collector saw any."},
		Column{"event_id", typeText, "The event's id at its source."},
		Column{"event_time", typeTime, "The event's time."},
		Column{"action", typeText, "What was done."},
		Column{"actor_id", typeText, "Who did it."},
		Column{"actor_name", typeText, "The actor's name."},
		Column{"origin_address", typeText, "The address it came from."},
		Column{"record", typeJSON, "The whole cause, with the changed fields and the other events."}),
	table.Deliveries: columns(common,
		Column{"id", typeText, "The delivery."},
		Column{"route", typeText, "The route that made it."},
		Column{"instance", typeText, "The notifier."},
		Column{"class", typeText, "What it tells of: compliance, alarm, health, …."},
		Column{"state", typeText, "pending, delivered or dead."},
		Column{"created", typeTime, "When it was made."},
		Column{"attempts", typeNumber, "How often it was tried."},
		Column{"answer", typeText, "What the receiver answered."},
		Column{"record", typeJSON, "The whole delivery."}),
	table.Quarantines: columns(common,
		Column{"instance", typeText, "The collector that sent it."},
		Column{"kind", typeText, "item, event, sample or log."},
		Column{"reason", typeText, "Why it was refused."},
		Column{"origin", typeText, "Where the collector read it."},
		Column{"record", typeBytes, "What came, which need not be JSON."}),
	table.Gaps: columns(common,
		Column{"instance", typeText, "The collector that may have missed something."},
		Column{"since", typeTime, "When it began."},
		Column{"until", typeTime, "When it ended; NULL while it lasts."},
		Column{"reason", typeText, "Why."},
		Column{"record", typeJSON, "The whole gap."}),
}

// view is a view, or a table function where it has parameters.
type view struct {
	name       string
	parameters []string
	doc        string
	// base is the table whose columns it has, without drop and with add behind them.
	base    table.Name
	drop    []string
	add     []Column
	sql     string
	example string
}

const gone = `('ResourceDeleted', 'ResourceDeletedNotRecorded', 'ResourceNotRecorded')`

const byResource = `account_id, region, resource_type, resource_id`

var configuration = []Column{{"configuration", typeJSON, "The resource's configuration; configuration->>'$.a.b' is one value of it."}}

// views stand in the order in which they are documented.
var views = []view{
	{
		name: "configuration_items", doc: "Every recorded version of every resource.", base: table.Items, drop: []string{"as_of"}, add: configuration,
		sql:     `SELECT * EXCLUDE (as_of), record->'configuration' AS configuration FROM lake.configuration_items WHERE as_of IS NULL`,
		example: `SELECT time, status, content_sha256 FROM configuration_items WHERE resource_id = 'my-bucket' ORDER BY time`,
	},
	{
		name: "resources", doc: "The current state: the latest version of each resource that is not gone.", base: table.Items, drop: []string{"as_of"}, add: configuration,
		sql: `SELECT * EXCLUDE (as_of), record->'configuration' AS configuration FROM (
  FROM lake.configuration_items QUALIFY row_number() OVER (PARTITION BY ` + byResource + ` ORDER BY time DESC, number DESC) = 1
) WHERE status NOT IN ` + gone,
		example: `SELECT resource_type, count(*) FROM resources GROUP BY ALL ORDER BY 2 DESC`,
	},
	{
		name: "stale_resources", doc: "The resources whose collector is in a gap: nothing is known of them since.", base: table.Items, drop: []string{"as_of"},
		add: []Column{{"stale_since", typeTime, "When the collector was last seen."}, {"stale_reason", typeText, "Why it misses something."}},
		sql: `SELECT r.* EXCLUDE (as_of), g.since AS stale_since, g.reason AS stale_reason FROM (
  FROM lake.configuration_items QUALIFY row_number() OVER (PARTITION BY ` + byResource + ` ORDER BY time DESC, number DESC) = 1
) r JOIN (
  SELECT instance, min(since) AS since, any_value(reason ORDER BY since) AS reason FROM (
    FROM lake.gaps QUALIFY row_number() OVER (PARTITION BY instance, since ORDER BY number DESC) = 1
  ) WHERE until IS NULL GROUP BY instance
) g ON g.instance = r.instance WHERE r.status NOT IN ` + gone,
		example: `SELECT c.policy, c.resource_id, c.outcome, s.stale_since FROM compliance c JOIN stale_resources s USING (account_id, region, resource_type, resource_id)`,
	},
	{
		name: "resources_at", parameters: []string{"ts"}, doc: "The state at a time.", base: table.Items, drop: []string{"as_of"}, add: configuration,
		sql: `SELECT * EXCLUDE (as_of), record->'configuration' AS configuration FROM (
  FROM lake.configuration_items WHERE time <= ts::TIMESTAMPTZ QUALIFY row_number() OVER (PARTITION BY ` + byResource + ` ORDER BY time DESC, number DESC) = 1
) WHERE status NOT IN ` + gone,
		example: `SELECT resource_id, configuration FROM resources_at('2026-01-31 12:00') WHERE resource_type = 'AWS::S3::Bucket'`,
	},
	{
		name: "events", doc: "Who did what to what, and when.", base: table.Events,
		add:     []Column{{"detail", typeJSON, "The source's own record; detail->>'$.eventName' is one value of it."}},
		sql:     `SELECT *, record->'detail' AS detail FROM lake.events`,
		example: `SELECT e.time, e.action, e.actor_id, t.resource_id FROM events e, unnest(e.targets) AS u(t) WHERE e.outcome = 'failure' ORDER BY e.time DESC LIMIT 20`,
	},
	{
		name: "verdicts", doc: "Every change of what a policy says of a resource.", base: table.Verdicts, drop: []string{"as_of"},
		sql:     `SELECT * EXCLUDE (as_of) FROM lake.verdicts WHERE as_of IS NULL`,
		example: `SELECT time, outcome, messages FROM verdicts WHERE resource_id = 'my-bucket' ORDER BY number`,
	},
	{
		name: "compliance", doc: "What each policy says of each resource now.", base: table.Verdicts, drop: []string{"as_of"},
		sql: `SELECT * EXCLUDE (as_of) FROM (FROM lake.verdicts QUALIFY row_number() OVER (PARTITION BY policy, ` + byResource + ` ORDER BY number DESC) = 1)
WHERE outcome <> 'REMOVED'`,
		example: `SELECT policy, outcome, count(*) FROM compliance GROUP BY ALL ORDER BY ALL`,
	},
	{
		name: "compliance_at", parameters: []string{"ts"}, doc: "What each policy said of each resource at a time.", base: table.Verdicts, drop: []string{"as_of"},
		sql: `SELECT * EXCLUDE (as_of) FROM (FROM lake.verdicts WHERE time <= ts::TIMESTAMPTZ QUALIFY row_number() OVER (PARTITION BY policy, ` + byResource + ` ORDER BY time DESC, number DESC) = 1)
WHERE outcome <> 'REMOVED'`,
		example: `SELECT policy, count(*) FROM compliance_at(now() - INTERVAL 7 DAYS) WHERE outcome = 'NON_COMPLIANT' GROUP BY policy`,
	},
	{
		name: "findings", doc: "Every state that a finding came into.", base: table.Findings, drop: []string{"as_of"},
		sql:     `SELECT * EXCLUDE (as_of) FROM lake.findings WHERE as_of IS NULL`,
		example: `SELECT time, status, outcome, resolution FROM findings WHERE id = 'f1' ORDER BY number`,
	},
	{
		name: "open_findings", doc: "The findings that are open now.", base: table.Findings, drop: []string{"as_of"},
		sql:     `SELECT * EXCLUDE (as_of) FROM (FROM lake.findings QUALIFY row_number() OVER (PARTITION BY id ORDER BY number DESC) = 1) WHERE status = 'OPEN'`,
		example: `SELECT severity, policy, resource_id, first_seen FROM open_findings WHERE waiver IS NULL ORDER BY first_seen`,
	},
	{
		name: "causes", doc: "What changed each finding, and who, as far as is known now.", base: table.Causes,
		sql:     `FROM lake.causes QUALIFY row_number() OVER (PARTITION BY cause ORDER BY number DESC) = 1`,
		example: `SELECT c.actor_id, count(*) FROM causes c JOIN open_findings f ON f.id = c.finding GROUP BY ALL ORDER BY 2 DESC`,
	},
	{
		name: "cause_history", doc: "What was held to be the cause of each change, as it became known.", base: table.Causes,
		sql:     `FROM lake.causes`,
		example: `SELECT received, actor_id, event_id FROM cause_history WHERE finding = 'f1' ORDER BY number`,
	},
	{
		name: "alarms", doc: "Every state that an episode of an alarm came into.", base: table.Alarms,
		sql:     `FROM lake.alarms`,
		example: `SELECT policy, key, max(matches) FROM alarms WHERE state = 'ALARM' GROUP BY ALL`,
	},
	{
		name: "deliveries", doc: "Every state that a notification came into.", base: table.Deliveries,
		sql:     `FROM lake.deliveries`,
		example: `SELECT route, state, count(*) FROM deliveries GROUP BY ALL`,
	},
	{
		name: "gaps", doc: "The times in which collectors may have missed something.", base: table.Gaps,
		sql:     `FROM lake.gaps QUALIFY row_number() OVER (PARTITION BY instance, since ORDER BY number DESC) = 1`,
		example: `SELECT instance, since, until, reason FROM gaps WHERE until IS NULL OR until > now() - INTERVAL 1 DAY`,
	},
	{
		name: "quarantine", doc: "Records that were refused, with the reason.", base: table.Quarantines,
		sql:     `FROM lake.quarantine`,
		example: `SELECT instance, reason, count(*) FROM quarantine GROUP BY ALL ORDER BY 3 DESC`,
	},
}

// Schema lists what can be asked.
func Schema() []Table {
	var out []Table
	for _, v := range views {
		t := Table{Name: v.name, Doc: v.doc, Example: v.example}
		if len(v.parameters) > 0 {
			t.Name += "(" + v.parameters[0] + ")"
		}
		for _, c := range files[v.base] {
			if !slices.Contains(v.drop, c.Name) {
				t.Columns = append(t.Columns, c)
			}
		}
		t.Columns = append(t.Columns, v.add...)
		out = append(out, t)
	}
	return out
}

// schemaName is the schema of the tables as their files have them.
const schemaName = "lake"

// wireTables are the tables for the plugin, with the files of a snapshot.
func wireTables(have map[table.Name][]string) []*pluginv1.QueryTable {
	var out []*pluginv1.QueryTable
	for _, name := range table.Names {
		t := &pluginv1.QueryTable{Schema: schemaName, Name: string(name), Files: have[name]}
		for _, c := range files[name] {
			t.Columns = append(t.Columns, &pluginv1.QueryColumn{Name: c.Name, Type: c.Type})
		}
		out = append(out, t)
	}
	return out
}

func wireViews(events Span) []*pluginv1.QueryView {
	var out []*pluginv1.QueryView
	for _, v := range views {
		sql := v.sql
		if v.base == table.Events {
			sql += events.where("time")
		}
		out = append(out, &pluginv1.QueryView{Name: v.name, Parameters: v.parameters, Sql: sql})
	}
	return out
}
