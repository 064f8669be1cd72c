package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/regent-dev/regent/plugins/collector-host/internal/unitfile"
	"github.com/regent-dev/regent/sdk"
)

// unitConfiguration is one systemd unit. States are absent where systemd does not run.
type unitConfiguration struct {
	Unit            string   `json:"unit" doc:"Name with its suffix."`
	Kind            string   `json:"kind" doc:"Suffix: service, socket, timer, path, target, mount, automount or swap."`
	Description     string   `json:"description,omitempty" doc:"Description."`
	File            string   `json:"file,omitempty" doc:"Unit file; absent for units that systemd makes up."`
	DropIns         []string `json:"dropIns,omitempty" doc:"Files that add to it, in order."`
	UnitFileState   string   `json:"unitFileState" doc:"enabled, disabled, static, masked, alias, template, generated… systemd's word where it runs."`
	Enabled         bool     `json:"enabled" doc:"Whether it is started at boot or when it is asked for."`
	Masked          bool     `json:"masked" doc:"Whether it cannot be started at all."`
	AliasOf         string   `json:"aliasOf,omitempty" doc:"Unit that it is another name of."`
	LoadState       string   `json:"loadState,omitempty" doc:"loaded, not-found, bad-setting, error, masked."`
	ActiveState     string   `json:"activeState,omitempty" doc:"active, inactive, failed; passing states of jobs that run and end count as inactive."`
	SubState        string   `json:"subState,omitempty" doc:"Finer state of the unit's kind."`
	Failed          bool     `json:"failed" doc:"Whether it ended in failure."`
	Result          string   `json:"result,omitempty" doc:"Why it failed: exit-code, signal, timeout, start-limit-hit…"`
	Type            string   `json:"type,omitempty" doc:"Type of service: simple, forking, oneshot, notify…"`
	User            string   `json:"userName,omitempty" doc:"User of a service; absent means root."`
	Group           string   `json:"groupName,omitempty" doc:"Group of a service."`
	DynamicUser     *bool    `json:"dynamicUser,omitempty" doc:"Whether a user is made for each run."`
	ExecStart       []string `json:"execStart,omitempty" doc:"Command lines of a service; what looks like a secret is hidden."`
	Restart         string   `json:"restart,omitempty" doc:"When it is restarted."`
	NoNewPrivileges *bool    `json:"noNewPrivileges,omitempty" doc:"Whether it can gain no privileges."`
	ProtectSystem   string   `json:"protectSystem,omitempty" doc:"What it cannot write to: yes, full, strict."`
	ProtectHome     string   `json:"protectHome,omitempty" doc:"Whether it sees home folders."`
	PrivateTmp      string   `json:"privateTmp,omitempty" doc:"Whether it has a /tmp of its own."`
	Capabilities    string   `json:"capabilityBoundingSet,omitempty" doc:"Capabilities it can have at most."`
	Listen          []string `json:"listen,omitempty" doc:"What a socket listens at."`
	Schedule        []string `json:"schedule,omitempty" doc:"When a timer elapses, as Setting=value."`
	Triggers        string   `json:"triggers,omitempty" doc:"Unit that a socket, timer or path starts."`
	WantedBy        []string `json:"wantedBy,omitempty" doc:"Units that start it when they are enabled with it."`
}

func unitFamily() family {
	return family{
		name: "systemd_unit", typ: typeUnit, example: unitConfiguration{}, list: listUnits,
		doc:      "A systemd unit of the system with its file and, where systemd runs, its state.",
		volatile: []string{"/configuration/subState"},
	}
}

// unitFolders are where unit files lie; the first with a name counts. Generated ones come after what
// the administrator wrote and before what packages bring.
var unitFolders = []string{
	"/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
}

// unitKinds are the kinds that are recorded. Devices, scopes and slices come and go by themselves.
var unitKinds = []string{"service", "socket", "timer", "path", "target", "mount", "automount", "swap"}

func kindOf(unit string) string {
	kind := strings.TrimPrefix(path.Ext(unit), ".")
	if !slices.Contains(unitKinds, kind) {
		return ""
	}
	return kind
}

// units is what is gathered about all units before they are sent.
type units struct {
	// files maps a unit to its file, dropIns to the folders that add to it.
	files    map[string]string
	dropIns  map[string][]string
	enabled  map[string]bool
	errs     []error
	seenDirs map[string]bool
}

func listUnits(ctx context.Context, s *scan, emit func(resource) error) error {
	u := s.unitFiles()
	states, err := s.unitStates(ctx)
	if err != nil {
		s.note("systemd does not say the states of its units", err.Error()+". Units are recorded as their files describe them.")
	}
	names := make([]string, 0, len(u.files))
	for n := range u.files {
		names = append(names, n)
	}
	for n, st := range states {
		// Units without a file are recorded only where something is wrong with them.
		if u.files[n] == "" && st["FragmentPath"] == "" && st["ActiveState"] == "failed" && kindOf(n) != "" {
			names = append(names, n)
		}
		if i := strings.IndexByte(n, '@'); i > 0 && u.files[n] == "" && u.files[n[:i+1]+path.Ext(n)] != "" {
			names = append(names, n) // an instance of a template
		}
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if err := emit(s.unit(n, u, states[n])); err != nil {
			return err
		}
	}
	return errors.Join(u.errs...)
}

// unitFiles finds unit files, drop-ins, and what is enabled by links in .wants and .requires folders.
func (s *scan) unitFiles() *units {
	u := &units{files: map[string]string{}, dropIns: map[string][]string{}, enabled: map[string]bool{}, seenDirs: map[string]bool{}}
	for _, dir := range unitFolders {
		// /lib is /usr/lib on most systems; its units are the same ones.
		if real, err := s.tree.Resolve(dir); err == nil && u.seenDirs[real] {
			continue
		} else if err == nil {
			u.seenDirs[real] = true
		}
		names, err := s.tree.Names(dir)
		if err != nil {
			u.errs = append(u.errs, present(err))
			continue
		}
		slices.Sort(names)
		for _, n := range names {
			file := path.Join(dir, n)
			switch ext := path.Ext(n); {
			case ext == ".d":
				base := strings.TrimSuffix(n, ".d")
				confs, err := s.tree.Glob(file + "/*.conf")
				u.errs = append(u.errs, err)
				u.dropIns[base] = addDropIns(u.dropIns[base], confs)
			case ext == ".wants" || ext == ".requires":
				links, err := s.tree.Names(file)
				u.errs = append(u.errs, present(err))
				// Only the administrator's links mean enabled; packages' make static parts of the system.
				if strings.HasPrefix(dir, "/etc/") {
					for _, l := range links {
						u.enabled[l] = true
					}
				}
			case kindOf(n) != "" && u.files[n] == "":
				u.files[n] = file
			}
		}
	}
	return u
}

// addDropIns adds files of a folder of lower rank: a name that is there already stays, and all are read
// in the order of their names.
func addDropIns(have, more []string) []string {
	for _, m := range more {
		if !slices.ContainsFunc(have, func(h string) bool { return path.Base(h) == path.Base(m) }) {
			have = append(have, m)
		}
	}
	slices.SortFunc(have, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	return have
}

// unitProperties are what systemctl is asked for.
const unitProperties = "Id,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,Result,Type,Description,Triggers"

// unitStates asks systemd, where it runs, for the states of all units it has loaded.
func (s *scan) unitStates(ctx context.Context) (map[string]map[string]string, error) {
	if s.run == nil || !s.tree.Exists("/run/systemd/system") {
		return nil, nil
	}
	out, err := s.run(ctx, "systemctl", "show", "--no-pager", "--property="+unitProperties, "*")
	if err != nil {
		return nil, err
	}
	states := map[string]map[string]string{}
	for _, st := range unitfile.ParseShow(out) {
		states[st["Id"]] = st
	}
	if len(states) == 0 {
		return nil, fmt.Errorf("systemctl show lists no unit")
	}
	return states, nil
}

// unit describes one unit by its files and its state.
func (s *scan) unit(name string, u *units, state map[string]string) resource {
	c := unitConfiguration{Unit: name, Kind: kindOf(name), File: u.files[name]}
	template := ""
	if i := strings.IndexByte(name, '@'); i > 0 {
		template = name[:i+1] + path.Ext(name)
		if c.File == "" {
			c.File = u.files[template]
		}
	}
	var f unitfile.File
	s.applyUnitFile(&c, &f, name, u)
	// A unit's own drop-ins add to its template's, and both to those of its whole kind.
	for _, base := range slices.Compact([]string{c.Kind, template, name}) {
		for _, d := range u.dropIns[base] {
			if b, err := s.read(d); err == nil {
				f.Apply(b)
				c.DropIns = append(c.DropIns, d)
			}
		}
	}
	c.fill(&f)
	if !c.Masked && c.AliasOf == "" {
		c.UnitFileState = fileState(name, &f, u, c.File)
	}
	c.apply(state)
	c.Enabled = c.UnitFileState == "enabled" || c.UnitFileState == "enabled-runtime"
	return resource{id: name, name: name, configuration: c, relationships: s.unitRelations(&c)}
}

// applyUnitFile reads the unit's file, unless it is a link that masks the unit or names another.
func (s *scan) applyUnitFile(c *unitConfiguration, f *unitfile.File, name string, u *units) {
	if c.File == "" {
		return
	}
	if target, err := s.tree.Readlink(c.File); err == nil && u.files[name] != "" {
		switch base := path.Base(target); {
		case target == "/dev/null":
			c.Masked, c.UnitFileState = true, "masked"
			return
		case base != name && kindOf(base) != "":
			c.AliasOf, c.UnitFileState = base, "alias"
		}
	}
	b, err := s.read(c.File)
	if err != nil {
		if unreadable(err) {
			u.errs = append(u.errs, err)
		}
		return
	}
	if len(b) == 0 && u.files[name] != "" && c.AliasOf == "" {
		c.Masked, c.UnitFileState = true, "masked" // an empty file masks too
		return
	}
	f.Apply(b)
}

// fileState works out what systemctl is-enabled would say.
func fileState(name string, f *unitfile.File, u *units, file string) string {
	switch {
	case strings.Contains(file, "/generator"):
		return "generated"
	case u.enabled[name]:
		return "enabled"
	case len(f.All("Install", "WantedBy"))+len(f.All("Install", "RequiredBy"))+len(f.All("Install", "Alias"))+len(f.All("Install", "Also")) == 0:
		return "static"
	case strings.Contains(name, "@."):
		for e := range u.enabled { // an instance of it is enabled
			if prefix, ext, _ := strings.Cut(name, "@"); strings.HasPrefix(e, prefix+"@") && strings.HasSuffix(e, ext) {
				return "indirect"
			}
		}
	}
	return "disabled"
}

func (c *unitConfiguration) fill(f *unitfile.File) {
	c.Description = f.Last("Unit", "Description")
	for _, key := range []string{"WantedBy", "RequiredBy"} {
		for _, v := range f.All("Install", key) {
			c.WantedBy = append(c.WantedBy, strings.Fields(v)...)
		}
	}
	slices.Sort(c.WantedBy)
	switch c.Kind {
	case "service":
		c.Type, c.User, c.Group = f.Last("Service", "Type"), f.Last("Service", "User"), f.Last("Service", "Group")
		c.ExecStart, c.Restart = hideEach(f.All("Service", "ExecStart")), f.Last("Service", "Restart")
		c.DynamicUser, c.NoNewPrivileges = f.Bool("Service", "DynamicUser"), f.Bool("Service", "NoNewPrivileges")
		c.ProtectSystem, c.ProtectHome = f.Last("Service", "ProtectSystem"), f.Last("Service", "ProtectHome")
		c.PrivateTmp, c.Capabilities = f.Last("Service", "PrivateTmp"), f.Last("Service", "CapabilityBoundingSet")
	case "socket":
		for _, key := range []string{"ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO", "ListenNetlink"} {
			c.Listen = append(c.Listen, f.All("Socket", key)...)
		}
		c.Triggers = f.Last("Socket", "Service")
	case "timer":
		for _, key := range []string{"OnCalendar", "OnBootSec", "OnStartupSec", "OnActiveSec", "OnUnitActiveSec", "OnUnitInactiveSec"} {
			for _, v := range f.All("Timer", key) {
				c.Schedule = append(c.Schedule, key+"="+v)
			}
		}
		c.Triggers = f.Last("Timer", "Unit")
	case "path":
		c.Triggers = f.Last("Path", "Unit")
	}
	if c.Triggers == "" && slices.Contains([]string{"socket", "timer", "path"}, c.Kind) {
		c.Triggers = strings.TrimSuffix(c.Unit, "."+c.Kind) + ".service"
	}
}

// apply adds what systemd says of the unit as it runs.
func (c *unitConfiguration) apply(state map[string]string) {
	if state == nil {
		return
	}
	c.LoadState, c.ActiveState, c.SubState = state["LoadState"], state["ActiveState"], state["SubState"]
	if v := state["UnitFileState"]; v != "" {
		c.UnitFileState = v
	}
	if c.Description == "" {
		c.Description = state["Description"]
	}
	if v := state["Type"]; v != "" {
		c.Type = v
	}
	c.Failed = c.ActiveState == "failed"
	if c.Failed && state["Result"] != "success" {
		c.Result = state["Result"]
	}
	// A job that runs for a moment now and then is no change of the machine.
	passing := c.ActiveState == "activating" || c.ActiveState == "deactivating"
	if c.Type == "oneshot" && passing {
		c.ActiveState = "inactive"
	}
}

func (s *scan) unitRelations(c *unitConfiguration) []sdk.Relationship {
	var out []sdk.Relationship
	if c.File != "" {
		out = append(out, relation(typeFile, c.File, "Is defined in"))
	}
	for _, d := range c.DropIns {
		out = append(out, relation(typeFile, d, "Is changed by"))
	}
	if c.Triggers != "" {
		out = append(out, relation(typeUnit, c.Triggers, "Triggers"))
	}
	if c.AliasOf != "" {
		out = append(out, relation(typeUnit, c.AliasOf, "Is another name of"))
	}
	if c.User != "" && !strings.Contains(c.User, "%") {
		out = append(out, relation(typeUser, c.User, "Runs as"))
	}
	return out
}
