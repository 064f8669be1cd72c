package table

// Row is what every table's rows have.
type Row interface {
	Event | Item | Verdict | Finding | Alarm | Cause | Delivery | Quarantine | Gap
}

// Event is a row of events: someone did something to something.
type Event struct {
	Number         int64    `parquet:"number,delta"`
	Time           int64    `parquet:"time,timestamp(microsecond),delta"`
	Received       int64    `parquet:"received,timestamp(microsecond),dict"`
	Instance       string   `parquet:"instance,dict"`
	ID             string   `parquet:"id,optional"`
	Source         string   `parquet:"source,dict"`
	Type           string   `parquet:"type,optional,dict"`
	Action         string   `parquet:"action,optional,dict"`
	Outcome        string   `parquet:"outcome,dict"`
	ErrorCode      string   `parquet:"error_code,optional,dict"`
	ActorType      string   `parquet:"actor_type,optional,dict"`
	ActorID        string   `parquet:"actor_id,optional,dict"`
	ActorName      string   `parquet:"actor_name,optional,dict"`
	ActorAccountID string   `parquet:"actor_account_id,optional,dict"`
	ActorSessionID string   `parquet:"actor_session_id,optional,dict"`
	Address        string   `parquet:"origin_address,optional,dict"`
	UserAgent      string   `parquet:"origin_user_agent,optional,dict"`
	AccountID      string   `parquet:"account_id,optional,dict"`
	Region         string   `parquet:"region,optional,dict"`
	Targets        []Target `parquet:"targets,list"`
	Record         []byte   `parquet:"record,json"`
}

// Target is a resource that an event was done to.
type Target struct {
	ResourceType string `parquet:"resource_type,optional,dict"`
	ResourceID   string `parquet:"resource_id,optional,dict"`
	Name         string `parquet:"name,optional,dict"`
	AccountID    string `parquet:"account_id,optional,dict"`
	Region       string `parquet:"region,optional,dict"`
}

// Item is a row of configuration_items: one version of one resource. AsOf is NULL but in a checkpoint,
// whose rows are the versions in force at that time; such a row keeps the number of its version.
type Item struct {
	Number        int64             `parquet:"number,delta"`
	Time          int64             `parquet:"time,timestamp(microsecond),delta"`
	Received      int64             `parquet:"received,timestamp(microsecond),delta"`
	Instance      string            `parquet:"instance,dict"`
	AccountID     string            `parquet:"account_id,dict"`
	Region        string            `parquet:"region,dict"`
	ResourceType  string            `parquet:"resource_type,dict"`
	ResourceID    string            `parquet:"resource_id,dict"`
	ResourceName  string            `parquet:"resource_name,optional,dict"`
	ARN           string            `parquet:"arn,optional,dict"`
	Status        string            `parquet:"status,dict"`
	Tags          map[string]string `parquet:"tags"`
	Relationships []Relationship    `parquet:"relationships,list"`
	ContentSHA256 string            `parquet:"content_sha256"`
	AsOf          int64             `parquet:"as_of,optional,timestamp(microsecond)"`
	Record        []byte            `parquet:"record,json"`
}

// Relationship points from an item to another resource.
type Relationship struct {
	ResourceType string `parquet:"resource_type,optional,dict"`
	ResourceID   string `parquet:"resource_id,optional,dict"`
	ResourceName string `parquet:"resource_name,optional,dict"`
	Name         string `parquet:"name,optional,dict"`
}

// Verdict is a row of verdicts: what one policy said of one resource when it said something new. Outcome
// is REMOVED where the policy says nothing of the resource any more. Time is the capture time of the item
// version that made it, or the time of judging where something else did. AsOf is as in Item.
type Verdict struct {
	Number       int64    `parquet:"number,delta"`
	Time         int64    `parquet:"time,timestamp(microsecond),delta"`
	Received     int64    `parquet:"received,timestamp(microsecond),delta"`
	Policy       string   `parquet:"policy,dict"`
	Outcome      string   `parquet:"outcome,dict"`
	AccountID    string   `parquet:"account_id,dict"`
	Region       string   `parquet:"region,dict"`
	ResourceType string   `parquet:"resource_type,dict"`
	ResourceID   string   `parquet:"resource_id,dict"`
	ItemNumber   int64    `parquet:"item_number,optional"`
	Reason       string   `parquet:"reason,optional,dict"`
	Messages     []string `parquet:"messages,list"`
	PolicySHA256 string   `parquet:"policy_sha256,optional,dict"`
	Record       []byte   `parquet:"record,json"`
	AsOf         int64    `parquet:"as_of,optional,timestamp(microsecond)"`
}

// Finding is a row of findings: a state that a finding came into. AsOf is as in Item.
type Finding struct {
	Number       int64  `parquet:"number,delta"`
	Time         int64  `parquet:"time,timestamp(microsecond),delta"`
	Received     int64  `parquet:"received,timestamp(microsecond),delta"`
	ID           string `parquet:"id"`
	Policy       string `parquet:"policy,dict"`
	Status       string `parquet:"status,dict"`
	Outcome      string `parquet:"outcome,dict"`
	Severity     string `parquet:"severity,dict"`
	Title        string `parquet:"title,optional,dict"`
	AccountID    string `parquet:"account_id,dict"`
	Region       string `parquet:"region,dict"`
	ResourceType string `parquet:"resource_type,dict"`
	ResourceID   string `parquet:"resource_id,dict"`
	FirstSeen    int64  `parquet:"first_seen,timestamp(microsecond)"`
	ResolvedAt   int64  `parquet:"resolved_at,optional,timestamp(microsecond)"`
	Resolution   string `parquet:"resolution,optional,dict"`
	Regressions  int64  `parquet:"regressions"`
	Waiver       string `parquet:"waiver,optional,dict"`
	ItemNumber   int64  `parquet:"item_number,optional"`
	Record       []byte `parquet:"record,json"`
	AsOf         int64  `parquet:"as_of,optional,timestamp(microsecond)"`
}

// Alarm is a row of alarms: a state that an episode came into.
type Alarm struct {
	Number    int64  `parquet:"number,delta"`
	Time      int64  `parquet:"time,timestamp(microsecond),delta"`
	Received  int64  `parquet:"received,timestamp(microsecond),delta"`
	ID        string `parquet:"id"`
	Policy    string `parquet:"policy,dict"`
	State     string `parquet:"state,dict"`
	Severity  string `parquet:"severity,dict"`
	AccountID string `parquet:"account_id,optional,dict"`
	Key       string `parquet:"key,optional,dict"`
	Message   string `parquet:"message,optional"`
	StartedAt int64  `parquet:"started_at,timestamp(microsecond)"`
	LastMatch int64  `parquet:"last_match,timestamp(microsecond)"`
	EndedAt   int64  `parquet:"ended_at,optional,timestamp(microsecond)"`
	Matches   int64  `parquet:"matches"`
	Record    []byte `parquet:"record,json"`
}

// Cause is a row of causes: what is held to have changed a finding, as far as was known then. A later row
// of the same cause replaces an earlier one. The columns on the event are those of the likeliest one, NULL
// where no collector saw any.
type Cause struct {
	Number   int64 `parquet:"number,delta"`
	Time     int64 `parquet:"time,timestamp(microsecond),delta"`
	Received int64 `parquet:"received,timestamp(microsecond),delta"`
	// Cause numbers causes; a later row of the same number is a later revision of it.
	Cause        int64  `parquet:"cause"`
	Revision     int64  `parquet:"revision"`
	Step         string `parquet:"step,dict"`
	Kind         string `parquet:"kind,dict"`
	Finding      string `parquet:"finding"`
	Policy       string `parquet:"policy,dict"`
	AccountID    string `parquet:"account_id,dict"`
	Region       string `parquet:"region,dict"`
	ResourceType string `parquet:"resource_type,dict"`
	ResourceID   string `parquet:"resource_id,dict"`
	ItemNumber   int64  `parquet:"item_number,optional"`
	Outcome      string `parquet:"outcome,dict"`
	EventNumber  int64  `parquet:"event_number,optional"`
	EventID      string `parquet:"event_id,optional"`
	EventTime    int64  `parquet:"event_time,optional,timestamp(microsecond)"`
	Action       string `parquet:"action,optional,dict"`
	ActorID      string `parquet:"actor_id,optional,dict"`
	ActorName    string `parquet:"actor_name,optional,dict"`
	Address      string `parquet:"origin_address,optional,dict"`
	Record       []byte `parquet:"record,json"`
}

// Delivery is a row of deliveries: a state that a delivery came into.
type Delivery struct {
	Number   int64  `parquet:"number,delta"`
	Time     int64  `parquet:"time,timestamp(microsecond),delta"`
	Received int64  `parquet:"received,timestamp(microsecond),delta"`
	ID       string `parquet:"id"`
	Route    string `parquet:"route,dict"`
	Instance string `parquet:"instance,dict"`
	Class    string `parquet:"class,dict"`
	State    string `parquet:"state,dict"`
	Created  int64  `parquet:"created,timestamp(microsecond)"`
	Attempts int64  `parquet:"attempts"`
	Answer   string `parquet:"answer,optional,dict"`
	Record   []byte `parquet:"record,json"`
}

// Quarantine is a row of quarantine: a record that was refused. Record is what came, which need not be
// JSON.
type Quarantine struct {
	Number   int64  `parquet:"number,delta"`
	Time     int64  `parquet:"time,timestamp(microsecond),delta"`
	Received int64  `parquet:"received,timestamp(microsecond),delta"`
	Instance string `parquet:"instance,dict"`
	Kind     string `parquet:"kind,dict"`
	Reason   string `parquet:"reason,dict"`
	Origin   string `parquet:"origin,optional,dict"`
	Record   []byte `parquet:"record"`
}

// Gap is a state of a time in which a collector may have missed something.
type Gap struct {
	Number   int64  `parquet:"number,delta"`
	Time     int64  `parquet:"time,timestamp(microsecond),delta"`
	Received int64  `parquet:"received,timestamp(microsecond),delta"`
	Instance string `parquet:"instance,dict"`
	Since    int64  `parquet:"since,timestamp(microsecond)"`
	Until    int64  `parquet:"until,optional,timestamp(microsecond)"`
	Reason   string `parquet:"reason,dict"`
	Record   []byte `parquet:"record,json"`
}
