package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/regent-dev/regent/sdk"
)

// listenerConfiguration is one address and port that takes what comes in.
type listenerConfiguration struct {
	Protocol     string   `json:"protocol" doc:"tcp or udp."`
	Family       string   `json:"family" doc:"ipv4 or ipv6."`
	Address      string   `json:"address" doc:"Address it listens at."`
	Port         int      `json:"port" doc:"Port."`
	AllAddresses bool     `json:"allAddresses" doc:"Whether it listens at all of the machine's addresses."`
	Loopback     bool     `json:"loopback" doc:"Whether only the machine itself can reach it."`
	UserName     string   `json:"userName,omitempty" doc:"User who opened it."`
	UID          uint32   `json:"uid" doc:"Id of the user who opened it."`
	Processes    []string `json:"processes,omitempty" doc:"Ids of the processes that have it open; absent for the kernel's own sockets and where that may not be looked at."`
	Executables  []string `json:"executables,omitempty" doc:"Programs of those processes."`
	Packages     []string `json:"packages,omitempty" doc:"Ids of the packages of those programs."`
}

func listenerFamily() family {
	return family{
		name: "listener", typ: typeListener, example: listenerConfiguration{}, list: listListeners,
		doc: "A TCP or UDP address and port of the machine's own network that takes what comes in. The id is protocol/address/port.",
	}
}

func listListeners(ctx context.Context, s *scan, emit func(resource) error) error {
	found := s.look(ctx)
	for _, l := range found.listeners {
		addr := l.socket.Local.Addr()
		uid := slices.Min(l.uids)
		c := listenerConfiguration{
			Protocol: l.protocol, Family: "ipv4", Address: addr.String(), Port: int(l.socket.Local.Port()), UID: uid,
			AllAddresses: addr.IsUnspecified(), Loopback: addr.IsLoopback() || addr.Unmap().IsLoopback(), UserName: s.who().user[uid],
		}
		if addr.Is6() {
			c.Family = "ipv6"
		}
		r := resource{id: l.id, name: fmt.Sprintf("%s port %d", l.protocol, c.Port)}
		for _, p := range l.processes {
			c.Processes = append(c.Processes, p.id)
			r.relationships = append(r.relationships, relation(typeProcess, p.id, "Is opened by"))
			if p.executable != "" {
				c.Executables = append(c.Executables, p.executable)
			}
			if id := s.packageOf(p); id != "" {
				c.Packages = append(c.Packages, id)
			}
		}
		c.Executables = slices.Compact(slices.Sorted(slices.Values(c.Executables)))
		c.Packages = slices.Compact(slices.Sorted(slices.Values(c.Packages)))
		for _, id := range c.Packages {
			r.relationships = append(r.relationships, relation(typePackage, id, "Is opened by program of"))
		}
		if c.UserName != "" {
			r.relationships = append(r.relationships, relation(typeUser, c.UserName, "Is opened by"))
		}
		r.configuration = c
		if err := emit(r); err != nil {
			return err
		}
	}
	return found.err
}

// packageOf returns the id of the package that a process's program belongs to.
func (s *scan) packageOf(p *process) string {
	if !p.onHost() {
		return ""
	}
	return s.owners.of(p.executable)
}

// processConfiguration is a program that listens.
type processConfiguration struct {
	Name                  string   `json:"name" doc:"The kernel's name for it, at most 15 characters."`
	Executable            string   `json:"executable,omitempty" doc:"Its program; absent where that may not be looked at."`
	Script                string   `json:"script,omitempty" doc:"What it runs, where the program is an interpreter."`
	Arguments             []string `json:"arguments,omitempty" doc:"Its command line; what looks like a secret is hidden."`
	Replaced              bool     `json:"replaced" doc:"Whether the program's file was replaced or removed since it was started, as by an upgrade."`
	UserName              string   `json:"userName,omitempty" doc:"User it runs as."`
	UID                   uint32   `json:"uid" doc:"Effective user id."`
	GID                   uint32   `json:"gid" doc:"Effective group id."`
	GroupName             string   `json:"groupName,omitempty" doc:"Group it runs as."`
	Unit                  string   `json:"unit,omitempty" doc:"systemd service or scope it runs in."`
	Container             string   `json:"container,omitempty" doc:"Id of the container it runs in; its paths are those inside."`
	Package               string   `json:"package,omitempty" doc:"Id of the package that its program belongs to."`
	NoNewPrivileges       bool     `json:"noNewPrivileges" doc:"Whether it can gain no privileges by running programs."`
	Seccomp               string   `json:"seccomp,omitempty" doc:"disabled, strict or filter."`
	EffectiveCapabilities string   `json:"effectiveCapabilities" doc:"Effective capabilities, as the kernel's hexadecimal set."`
	Listeners             []string `json:"listeners" doc:"Ids of its listeners."`
	PIDs                  []int    `json:"pids" doc:"Process ids."`
	StartedAt             string   `json:"startedAt,omitempty" doc:"When the oldest of them was started."`
}

func processFamily() family {
	return family{
		name: "process", typ: typeProcess, example: processConfiguration{}, list: listProcesses,
		doc:      "A running program that listens for TCP or UDP; processes of one program, user and service are one.",
		volatile: []string{"/configuration/pids", "/configuration/startedAt"},
	}
}

func listProcesses(ctx context.Context, s *scan, emit func(resource) error) error {
	found := s.look(ctx)
	for _, p := range found.processes {
		c := processConfiguration{
			Name: p.name, Executable: p.executable, Script: p.script, Arguments: hideArguments(p.arguments), Replaced: p.replaced,
			UserName: s.who().user[p.uid], UID: p.uid, GID: p.gid, GroupName: s.who().group[p.gid], Unit: p.unit, Container: p.container,
			Package: s.packageOf(p), NoNewPrivileges: p.noNewPrivileges, Seccomp: p.seccomp,
			EffectiveCapabilities: fmt.Sprintf("%016x", p.capabilities), Listeners: []string{}, PIDs: p.pids, StartedAt: s.startTime(p.started),
		}
		r := resource{id: p.id, name: p.name}
		for _, l := range p.listeners {
			c.Listeners = append(c.Listeners, l.id)
			r.relationships = append(r.relationships, relation(typeListener, l.id, "Listens at"))
		}
		if p.onHost() {
			r.relationships = append(r.relationships, relation(typeFile, p.executable, "Runs"))
		}
		r.relationships = append(r.relationships, s.processRelations(&c)...)
		r.configuration = c
		if err := emit(r); err != nil {
			return err
		}
	}
	return found.ownersErr
}

func (s *scan) processRelations(c *processConfiguration) []sdk.Relationship {
	var out []sdk.Relationship
	if c.Package != "" {
		out = append(out, relation(typePackage, c.Package, "Runs program of"))
	}
	if c.UserName != "" {
		out = append(out, relation(typeUser, c.UserName, "Runs as"))
	}
	if c.Unit != "" && c.Container == "" {
		out = append(out, relation(typeUnit, c.Unit, "Is part of"))
	}
	return out
}
