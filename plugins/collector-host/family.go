package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/regent-dev/regent/plugins/collector-host/internal/account"
	"github.com/regent-dev/regent/sdk"
)

// The types of resource.
const (
	typeMachine   = "Linux::Host::Machine"
	typeUser      = "Linux::IAM::User"
	typeGroup     = "Linux::IAM::Group"
	typeSudoers   = "Linux::IAM::Sudoers"
	typeSudoRule  = "Linux::IAM::SudoRule"
	typeSSHServer = "Linux::SSH::Server"
	typeParameter = "Linux::Kernel::Parameter"
	typeModule    = "Linux::Kernel::Module"
	typeMount     = "Linux::Storage::Mount"
	typePackage   = "Linux::Package::Package"
	typeListener  = "Linux::Network::Listener"
	typeProcess   = "Linux::Process::Process"
	typeCron      = "Linux::Cron::Entry"
	typeUnit      = "Linux::Systemd::Unit"
	typeFile      = "Linux::File::File"
)

// family lists the resources of one type.
type family struct {
	// name is what the configuration calls it.
	name string
	typ  string
	doc  string
	// example is an empty configuration, from which the schema is made.
	example any
	// volatile are the paths whose changes make no new version.
	volatile []string
	// list calls emit for every resource. An error says that the listing is not complete; emit's own
	// errors end the pass. Every id may be emitted once.
	list func(ctx context.Context, s *scan, emit func(resource) error) error
}

func (f *family) declare() sdk.ResourceType {
	return sdk.ResourceType{Type: f.typ, Schema: sdk.ConfigurationSchema(f.example), Volatile: f.volatile, Doc: f.doc}
}

// families returns all families in the order of a pass. Processes come before files, which include
// the programs of those that listen.
func families() []family {
	return []family{
		machineFamily(), userFamily(), groupFamily(), sudoersFamily(), sudoRuleFamily(), sshFamily(),
		parameterFamily(), moduleFamily(), mountFamily(), listenerFamily(), processFamily(), fileFamily(),
		cronFamily(), unitFamily(), packageFamily(),
	}
}

// resource is an item before it is told whose it is.
type resource struct {
	id, name      string
	configuration any
	relationships []sdk.Relationship
	// captured is when it was read; zero means when its sweep began.
	captured time.Time
}

func relation(typ, id, name string) sdk.Relationship {
	return sdk.Relationship{ResourceType: typ, ResourceID: id, Name: name}
}

// item completes a resource.
func (h *host) item(typ string, r resource) sdk.Item {
	return sdk.Item{
		AccountID:     h.account,
		Region:        region,
		ResourceType:  typ,
		ResourceID:    r.id,
		ResourceName:  r.name,
		CaptureTime:   r.captured,
		Status:        "OK",
		Configuration: r.configuration,
		Relationships: r.relationships,
	}
}

// scan is one pass: what its families share and what they could not read.
type scan struct {
	*host
	notes []note

	accounts *accounts
	sockets  *sockets
}

// note is something a person should know although the sweep is complete.
type note struct{ summary, detail string }

func (s *scan) note(summary, detail string) { s.notes = append(s.notes, note{summary, detail}) }

// accounts are the machine's users and groups.
type accounts struct {
	users    []account.User
	groups   []account.Group
	defaults account.Defaults
	user     map[uint32]string
	group    map[uint32]string
	// usersErr and groupsErr say what could not be read.
	usersErr, groupsErr error
}

// who reads passwd and group once in a pass.
func (s *scan) who() *accounts {
	if s.accounts != nil {
		return s.accounts
	}
	a := &accounts{user: map[uint32]string{}, group: map[uint32]string{}}
	s.accounts = a
	b, err := s.read("/etc/passwd")
	if err == nil {
		a.users, err = account.ParsePasswd(b)
		err = inFile("/etc/passwd", err)
	}
	a.usersErr = present(err)
	if b, err = s.read("/etc/group"); err == nil {
		a.groups, err = account.ParseGroup(b)
		err = inFile("/etc/group", err)
	}
	a.groupsErr = present(err)
	b, err = s.read("/etc/login.defs")
	if err != nil {
		b = nil
	}
	a.defaults = account.ParseDefaults(b)
	for i := len(a.users) - 1; i >= 0; i-- { // the first of several counts
		a.user[a.users[i].UID] = a.users[i].Name
	}
	for i := len(a.groups) - 1; i >= 0; i-- {
		a.group[a.groups[i].GID] = a.groups[i].Name
	}
	return a
}

// present forgets that a file is not there: a machine without it has none of what it would list.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func inFile(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// distinct makes ids unique in the order they come, by "#2", "#3"…
type distinct map[string]int

func (d distinct) id(id string) string {
	d[id]++
	if n := d[id]; n > 1 {
		return d.id(fmt.Sprintf("%s#%d", id, n))
	}
	return id
}
