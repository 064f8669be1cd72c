package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/regent-dev/regent/plugins/collector-host/internal/sshd"
)

// sshConfiguration is what holds for connections that no Match selects. Settings that sshd of this
// version does not have are absent.
type sshConfiguration struct {
	Source                       string              `json:"source" doc:"sshd -T where the server said it itself, sshd_config where its file was read and defaults filled in."`
	Files                        []string            `json:"files" doc:"Configuration files, in order."`
	Ports                        []string            `json:"ports,omitempty" doc:"Ports."`
	ListenAddresses              []string            `json:"listenAddresses,omitempty" doc:"Addresses with ports."`
	PermitRootLogin              string              `json:"permitRootLogin,omitempty" doc:"yes, no, prohibit-password or forced-commands-only."`
	PasswordAuthentication       *bool               `json:"passwordAuthentication,omitempty" doc:"Whether passwords are taken."`
	KbdInteractiveAuthentication *bool               `json:"kbdInteractiveAuthentication,omitempty" doc:"Whether questions, usually PAM's for a password, are asked."`
	PermitEmptyPasswords         *bool               `json:"permitEmptyPasswords,omitempty" doc:"Whether accounts with empty passwords are let in."`
	PubkeyAuthentication         *bool               `json:"pubkeyAuthentication,omitempty" doc:"Whether keys are taken."`
	HostbasedAuthentication      *bool               `json:"hostbasedAuthentication,omitempty" doc:"Whether other hosts' word is taken."`
	GSSAPIAuthentication         *bool               `json:"gssapiAuthentication,omitempty" doc:"Whether Kerberos tickets are taken."`
	AuthenticationMethods        string              `json:"authenticationMethods,omitempty" doc:"Lists of methods that are needed together; any means one of all."`
	IgnoreRhosts                 string              `json:"ignoreRhosts,omitempty" doc:"yes, no or shosts-only."`
	MaxAuthTries                 *int                `json:"maxAuthTries,omitempty" doc:"Attempts for each connection."`
	MaxSessions                  *int                `json:"maxSessions,omitempty" doc:"Sessions for each connection."`
	MaxStartups                  string              `json:"maxStartups,omitempty" doc:"Unauthenticated connections: start:rate:full."`
	LoginGraceSeconds            *int                `json:"loginGraceSeconds,omitempty" doc:"Time to log in; 0 means any."`
	ClientAliveIntervalSeconds   *int                `json:"clientAliveIntervalSeconds,omitempty" doc:"Silence after which the client is asked whether it lives; 0 means never."`
	ClientAliveCountMax          *int                `json:"clientAliveCountMax,omitempty" doc:"Unanswered questions after which the connection ends."`
	X11Forwarding                *bool               `json:"x11Forwarding,omitempty" doc:"Whether X11 is forwarded."`
	AllowTCPForwarding           string              `json:"allowTcpForwarding,omitempty" doc:"yes, no, local or remote."`
	AllowAgentForwarding         *bool               `json:"allowAgentForwarding,omitempty" doc:"Whether the agent is forwarded."`
	PermitTunnel                 string              `json:"permitTunnel,omitempty" doc:"yes, no, point-to-point or ethernet."`
	GatewayPorts                 string              `json:"gatewayPorts,omitempty" doc:"yes, no or clientspecified."`
	PermitUserEnvironment        string              `json:"permitUserEnvironment,omitempty" doc:"yes, no or patterns of variables."`
	StrictModes                  *bool               `json:"strictModes,omitempty" doc:"Whether files with loose permissions are refused."`
	UsePAM                       *bool               `json:"usePam,omitempty" doc:"Whether PAM is asked."`
	LogLevel                     string              `json:"logLevel,omitempty" doc:"QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG…"`
	Banner                       string              `json:"banner,omitempty" doc:"File shown before login; none where there is none."`
	AuthorizedKeysFile           []string            `json:"authorizedKeysFile,omitempty" doc:"Where keys are looked up."`
	Ciphers                      []string            `json:"ciphers,omitempty" doc:"Ciphers offered."`
	MACs                         []string            `json:"macs,omitempty" doc:"Message authentication codes offered."`
	KexAlgorithms                []string            `json:"kexAlgorithms,omitempty" doc:"Key exchanges offered."`
	HostKeyAlgorithms            []string            `json:"hostKeyAlgorithms,omitempty" doc:"Kinds of host key offered."`
	AllowUsers                   []string            `json:"allowUsers,omitempty" doc:"Patterns of users that alone are let in."`
	AllowGroups                  []string            `json:"allowGroups,omitempty" doc:"Patterns of groups that alone are let in."`
	DenyUsers                    []string            `json:"denyUsers,omitempty" doc:"Patterns of users that are refused."`
	DenyGroups                   []string            `json:"denyGroups,omitempty" doc:"Patterns of groups that are refused."`
	Settings                     map[string][]string `json:"settings" doc:"Every effective setting by its keyword in lower case, as sshd -T prints it."`
	Matches                      []sshMatch          `json:"matches" doc:"Blocks that hold for some connections only."`
	Problems                     []string            `json:"problems,omitempty" doc:"Lines that cannot be read, with their places."`
}

type sshMatch struct {
	Criteria string       `json:"criteria" doc:"What stands after Match."`
	Settings []sshSetting `json:"settings" doc:"Settings in the block, in order."`
}

type sshSetting struct {
	Keyword string   `json:"keyword" doc:"Keyword in lower case."`
	Values  []string `json:"values" doc:"Arguments."`
}

func sshFamily() family {
	return family{
		name: "ssh_server", typ: typeSSHServer, example: sshConfiguration{}, list: listSSHServer,
		doc: "The OpenSSH server's effective settings.",
	}
}

// sshdFiles is where the server's configuration begins. Some distributions keep theirs in /usr/etc and
// leave /etc to the administrator.
var sshdFiles = []string{"/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"}

func listSSHServer(ctx context.Context, s *scan, emit func(resource) error) error {
	var file string
	for _, f := range sshdFiles {
		if _, err := s.tree.Stat(f); err == nil {
			file = f
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if file == "" {
		return nil
	}
	conf, err := sshd.Load(file, s.host)
	said, asked := s.askSSHD(ctx)
	if !asked && err != nil {
		// Defaults instead of what the file says would be worse than nothing.
		return err
	}
	c := sshConfiguration{Source: "sshd_config", Files: []string{}, Matches: []sshMatch{}}
	if asked {
		c.Source = "sshd -T"
	} else {
		said = conf.Effective()
	}
	if conf != nil {
		c.Files = append(c.Files, conf.Files...)
		c.Problems = conf.Problems
		for _, m := range conf.Matches {
			match := sshMatch{Criteria: m.Criteria, Settings: []sshSetting{}}
			for _, set := range m.Settings {
				match.Settings = append(match.Settings, sshSetting{Keyword: set.Keyword, Values: append([]string{}, set.Args...)})
			}
			c.Matches = append(c.Matches, match)
		}
	}
	c.fill(said)
	r := resource{id: "sshd", name: "sshd", configuration: c}
	for _, f := range slices.Compact(slices.Sorted(slices.Values(c.Files))) {
		r.relationships = append(r.relationships, relation(typeFile, f, "Is defined in"))
	}
	return emit(r)
}

// askSSHD asks the server itself. It refuses to answer those who may not read its host keys.
func (s *scan) askSSHD(ctx context.Context) (sshd.Effective, bool) {
	if s.run == nil {
		return nil, false
	}
	out, err := s.run(ctx, "sshd", "-T")
	if err != nil {
		s.log.Debug("sshd does not say its settings; its file is read instead", "err", err)
		return nil, false
	}
	e := sshd.ParseEffective(out)
	return e, e.Text("port") != ""
}

func (c *sshConfiguration) fill(e sshd.Effective) {
	c.Settings = e
	c.Ports = e.List("port")
	c.ListenAddresses = e.List("listenaddress")
	c.PermitRootLogin = e.Text("permitrootlogin")
	c.PasswordAuthentication = e.Bool("passwordauthentication")
	c.KbdInteractiveAuthentication = e.Bool("kbdinteractiveauthentication")
	if c.KbdInteractiveAuthentication == nil { // before OpenSSH 8.7
		c.KbdInteractiveAuthentication = e.Bool("challengeresponseauthentication")
	}
	c.PermitEmptyPasswords = e.Bool("permitemptypasswords")
	c.PubkeyAuthentication = e.Bool("pubkeyauthentication")
	c.HostbasedAuthentication = e.Bool("hostbasedauthentication")
	c.GSSAPIAuthentication = e.Bool("gssapiauthentication")
	c.AuthenticationMethods = e.Text("authenticationmethods")
	c.IgnoreRhosts = e.Text("ignorerhosts")
	c.MaxAuthTries = e.Int("maxauthtries")
	c.MaxSessions = e.Int("maxsessions")
	c.MaxStartups = e.Text("maxstartups")
	c.LoginGraceSeconds = e.Int("logingracetime")
	c.ClientAliveIntervalSeconds = e.Int("clientaliveinterval")
	c.ClientAliveCountMax = e.Int("clientalivecountmax")
	c.X11Forwarding = e.Bool("x11forwarding")
	c.AllowTCPForwarding = e.Text("allowtcpforwarding")
	c.AllowAgentForwarding = e.Bool("allowagentforwarding")
	c.PermitTunnel = e.Text("permittunnel")
	c.GatewayPorts = e.Text("gatewayports")
	c.PermitUserEnvironment = e.Text("permituserenvironment")
	c.StrictModes = e.Bool("strictmodes")
	c.UsePAM = e.Bool("usepam")
	c.LogLevel = e.Text("loglevel")
	c.Banner = e.Text("banner")
	c.AuthorizedKeysFile = e.Words("authorizedkeysfile")
	c.Ciphers = e.List("ciphers")
	c.MACs = e.List("macs")
	c.KexAlgorithms = e.List("kexalgorithms")
	c.HostKeyAlgorithms = e.List("hostkeyalgorithms")
	c.AllowUsers = e.List("allowusers")
	c.AllowGroups = e.List("allowgroups")
	c.DenyUsers = e.List("denyusers")
	c.DenyGroups = e.List("denygroups")
}
