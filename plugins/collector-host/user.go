package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/regent-dev/regent/plugins/collector-host/internal/account"
	"github.com/regent-dev/regent/sdk"
)

// userConfiguration is an account of passwd.
type userConfiguration struct {
	UserName     string        `json:"userName" doc:"Login name."`
	UID          uint32        `json:"uid" doc:"User id."`
	GID          uint32        `json:"gid" doc:"Id of the primary group."`
	PrimaryGroup string        `json:"primaryGroup,omitempty" doc:"Name of the primary group; absent where no group has the id."`
	Groups       []string      `json:"groups" doc:"Names of all groups, the primary one included, sorted."`
	Comment      string        `json:"comment,omitempty" doc:"Full name and other remarks."`
	Home         string        `json:"home,omitempty" doc:"Home folder."`
	Shell        string        `json:"shell,omitempty" doc:"Login shell; absent means /bin/sh."`
	Interactive  bool          `json:"interactive" doc:"Whether the login shell lets somebody work."`
	System       bool          `json:"system" doc:"Whether the user id is one of the system's: below UID_MIN of login.defs, or nobody's."`
	Duplicates   int           `json:"duplicates,omitempty" doc:"How many further lines of passwd have the same name; the first counts."`
	Password     *userPassword `json:"password,omitempty" doc:"What may be known of the password; absent where shadow may not be read."`
}

// userPassword holds no hash, on purpose.
type userPassword struct {
	State        string `json:"state" doc:"set; empty: none is asked for; locked: made unusable by a leading !; none: no password matches."`
	Algorithm    string `json:"algorithm,omitempty" doc:"What made the hash: yescrypt, sha512, bcrypt, md5, des…"`
	LastChanged  string `json:"lastChanged,omitempty" doc:"Day of the last change."`
	MustChange   bool   `json:"mustChange" doc:"Whether it has to be changed at the next login."`
	MinDays      *int   `json:"minDays,omitempty" doc:"Days before it may be changed again."`
	MaxDays      *int   `json:"maxDays,omitempty" doc:"Days after which it has to be changed."`
	WarnDays     *int   `json:"warnDays,omitempty" doc:"Days of warning before that."`
	InactiveDays *int   `json:"inactiveDays,omitempty" doc:"Days after that in which it is still taken."`
	Expires      string `json:"accountExpires,omitempty" doc:"Day from which the account cannot be used."`
}

// nobody is the id of the account that owns nothing.
const nobody = 65534

func userFamily() family {
	return family{
		name: "user", typ: typeUser, example: userConfiguration{}, list: listUsers,
		doc: "An account of /etc/passwd with what /etc/shadow says of its password, hash excepted.",
	}
}

func listUsers(_ context.Context, s *scan, emit func(resource) error) error {
	a := s.who()
	shadow, err := s.shadow()
	if err != nil {
		s.note("Passwords cannot be looked at", "Users are recorded without what /etc/shadow says of their passwords: "+err.Error()+
			". Run the daemon as root, or in the group shadow, to judge passwords.")
	}
	count := map[string]int{}
	for _, u := range a.users {
		count[u.Name]++
	}
	seen := map[string]bool{}
	for _, u := range a.users {
		if seen[u.Name] {
			continue
		}
		seen[u.Name] = true
		c := userConfiguration{
			UserName: u.Name, UID: u.UID, GID: u.GID, PrimaryGroup: a.group[u.GID], Groups: groupsOf(a, u), Comment: u.Comment,
			Home: u.Home, Shell: u.Shell, Interactive: account.Interactive(u.Shell), Duplicates: count[u.Name] - 1,
			System: u.UID < a.defaults.UIDMin || u.UID == nobody,
		}
		c.Password = password(u, shadow, err == nil)
		r := resource{id: u.Name, name: u.Name, configuration: c}
		for _, g := range c.Groups {
			name := "Is member of"
			if g == c.PrimaryGroup {
				name = "Has primary group"
			}
			r.relationships = append(r.relationships, relation(typeGroup, g, name))
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return a.usersErr
}

// shadow reads shadow, by name. A machine without one keeps everything in passwd.
func (s *scan) shadow() (map[string]account.Shadow, error) {
	b, err := s.read("/etc/shadow")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines, err := account.ParseShadow(b)
	if err != nil {
		s.note("/etc/shadow has unreadable lines", inFile("/etc/shadow", err).Error())
	}
	out := make(map[string]account.Shadow, len(lines))
	for _, l := range lines {
		if _, twice := out[l.Name]; !twice {
			out[l.Name] = l
		}
	}
	return out, nil
}

// password joins what passwd and shadow say. It is nil where shadow would say it but cannot be read.
func password(u account.User, shadow map[string]account.Shadow, readable bool) *userPassword {
	if u.Password.State != account.PasswordShadowed {
		return &userPassword{State: string(u.Password.State), Algorithm: u.Password.Algorithm}
	}
	if !readable {
		return nil
	}
	l, ok := shadow[u.Name]
	if !ok {
		return &userPassword{State: string(account.PasswordNone)}
	}
	days := func(n int) *int {
		if n < 0 {
			return nil
		}
		return &n
	}
	return &userPassword{
		State: string(l.Password.State), Algorithm: l.Password.Algorithm, LastChanged: date(l.Changed), MustChange: l.MustChange,
		MinDays: days(l.MinDays), MaxDays: days(l.MaxDays), WarnDays: days(l.WarnDays), InactiveDays: days(l.Inactive), Expires: date(l.Expires),
	}
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func groupsOf(a *accounts, u account.User) []string {
	out := []string{}
	for _, g := range a.groups {
		if g.GID == u.GID || slices.Contains(g.Members, u.Name) {
			out = append(out, g.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// groupConfiguration is a group of group(5).
type groupConfiguration struct {
	GroupName      string   `json:"groupName" doc:"Name."`
	GID            uint32   `json:"gid" doc:"Group id."`
	System         bool     `json:"system" doc:"Whether the group id is one of the system's: below GID_MIN of login.defs, or nobody's."`
	Members        []string `json:"members" doc:"Users that the group lists, sorted."`
	PrimaryMembers []string `json:"primaryMembers" doc:"Users whose primary group it is, sorted."`
}

func groupFamily() family {
	return family{
		name: "group", typ: typeGroup, example: groupConfiguration{}, list: listGroups,
		doc: "A group of /etc/group with its members.",
	}
}

func listGroups(_ context.Context, s *scan, emit func(resource) error) error {
	a := s.who()
	seen := map[string]bool{}
	for _, g := range a.groups {
		if seen[g.Name] {
			continue
		}
		seen[g.Name] = true
		c := groupConfiguration{
			GroupName: g.Name, GID: g.GID, System: g.GID < a.defaults.GIDMin || g.GID == nobody,
			Members: slices.Sorted(slices.Values(g.Members)), PrimaryMembers: []string{},
		}
		c.Members = append([]string{}, slices.Compact(c.Members)...)
		for _, u := range a.users {
			if u.GID == g.GID {
				c.PrimaryMembers = append(c.PrimaryMembers, u.Name)
			}
		}
		slices.Sort(c.PrimaryMembers)
		c.PrimaryMembers = slices.Compact(c.PrimaryMembers)
		r := resource{id: g.Name, name: g.Name, configuration: c}
		for _, m := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.Members, c.PrimaryMembers)))) {
			r.relationships = append(r.relationships, sdk.Relationship{ResourceType: typeUser, ResourceID: m, Name: "Has member"})
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return a.groupsErr
}
