package sshd

// lists are the default lists of algorithms of OpenSSH 9.2.
var lists = map[string]string{
	"ciphers": "chacha20-poly1305@openssh.com," +
		"aes128-ctr," +
		"aes192-ctr," +
		"aes256-ctr," +
		"aes128-gcm@openssh.com," +
		"aes256-gcm@openssh.com",
	"macs": "umac-64-etm@openssh.com," +
		"umac-128-etm@openssh.com," +
		"hmac-sha2-256-etm@openssh.com," +
		"hmac-sha2-512-etm@openssh.com," +
		"hmac-sha1-etm@openssh.com," +
		"umac-64@openssh.com," +
		"umac-128@openssh.com," +
		"hmac-sha2-256," +
		"hmac-sha2-512," +
		"hmac-sha1",
	"kexalgorithms": "sntrup761x25519-sha512," +
		"sntrup761x25519-sha512@openssh.com," +
		"curve25519-sha256," +
		"curve25519-sha256@libssh.org," +
		"ecdh-sha2-nistp256," +
		"ecdh-sha2-nistp384," +
		"ecdh-sha2-nistp521," +
		"diffie-hellman-group-exchange-sha256," +
		"diffie-hellman-group16-sha512," +
		"diffie-hellman-group18-sha512," +
		"diffie-hellman-group14-sha256",
	"hostkeyalgorithms": "ssh-ed25519-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp256-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp384-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp521-cert-v01@openssh.com," +
		"sk-ssh-ed25519-cert-v01@openssh.com," +
		"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," +
		"rsa-sha2-512-cert-v01@openssh.com," +
		"rsa-sha2-256-cert-v01@openssh.com," +
		"ssh-ed25519," +
		"ecdsa-sha2-nistp256," +
		"ecdsa-sha2-nistp384," +
		"ecdsa-sha2-nistp521," +
		"sk-ssh-ed25519@openssh.com," +
		"sk-ecdsa-sha2-nistp256@openssh.com," +
		"rsa-sha2-512," +
		"rsa-sha2-256",
	"pubkeyacceptedalgorithms": "ssh-ed25519-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp256-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp384-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp521-cert-v01@openssh.com," +
		"sk-ssh-ed25519-cert-v01@openssh.com," +
		"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," +
		"rsa-sha2-512-cert-v01@openssh.com," +
		"rsa-sha2-256-cert-v01@openssh.com," +
		"ssh-ed25519," +
		"ecdsa-sha2-nistp256," +
		"ecdsa-sha2-nistp384," +
		"ecdsa-sha2-nistp521," +
		"sk-ssh-ed25519@openssh.com," +
		"sk-ecdsa-sha2-nistp256@openssh.com," +
		"rsa-sha2-512," +
		"rsa-sha2-256",
	"hostbasedacceptedalgorithms": "ssh-ed25519-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp256-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp384-cert-v01@openssh.com," +
		"ecdsa-sha2-nistp521-cert-v01@openssh.com," +
		"sk-ssh-ed25519-cert-v01@openssh.com," +
		"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," +
		"rsa-sha2-512-cert-v01@openssh.com," +
		"rsa-sha2-256-cert-v01@openssh.com," +
		"ssh-ed25519," +
		"ecdsa-sha2-nistp256," +
		"ecdsa-sha2-nistp384," +
		"ecdsa-sha2-nistp521," +
		"sk-ssh-ed25519@openssh.com," +
		"sk-ecdsa-sha2-nistp256@openssh.com," +
		"rsa-sha2-512," +
		"rsa-sha2-256",
	"casignaturealgorithms": "ssh-ed25519," +
		"ecdsa-sha2-nistp256," +
		"ecdsa-sha2-nistp384," +
		"ecdsa-sha2-nistp521," +
		"sk-ssh-ed25519@openssh.com," +
		"sk-ecdsa-sha2-nistp256@openssh.com," +
		"rsa-sha2-512," +
		"rsa-sha2-256",
}

// defaults are what OpenSSH 9.2 takes for keywords that a file leaves out.
var defaults = map[string]string{
	"addressfamily":                   "any",
	"allowagentforwarding":            "yes",
	"allowstreamlocalforwarding":      "yes",
	"allowtcpforwarding":              "yes",
	"authenticationmethods":           "any",
	"authorizedkeyscommand":           "none",
	"authorizedkeyscommanduser":       "none",
	"authorizedkeysfile":              ".ssh/authorized_keys .ssh/authorized_keys2",
	"authorizedprincipalscommand":     "none",
	"authorizedprincipalscommanduser": "none",
	"authorizedprincipalsfile":        "none",
	"banner":                          "none",
	"chrootdirectory":                 "none",
	"clientalivecountmax":             "3",
	"clientaliveinterval":             "0",
	"compression":                     "yes",
	"disableforwarding":               "no",
	"exposeauthinfo":                  "no",
	"fingerprinthash":                 "SHA256",
	"forcecommand":                    "none",
	"gatewayports":                    "no",
	"gssapiauthentication":            "no",
	"gssapicleanupcredentials":        "yes",
	"gssapistrictacceptorcheck":       "yes",
	"hostbasedauthentication":         "no",
	"hostbasedusesnamefrompacketonly": "no",
	"hostkeyagent":                    "none",
	"ignorerhosts":                    "yes",
	"ignoreuserknownhosts":            "no",
	"ipqos":                           "lowdelay throughput",
	"kbdinteractiveauthentication":    "yes",
	"kerberosauthentication":          "no",
	"kerberosorlocalpasswd":           "yes",
	"kerberosticketcleanup":           "yes",
	"logingracetime":                  "120",
	"loglevel":                        "INFO",
	"maxauthtries":                    "6",
	"maxsessions":                     "10",
	"maxstartups":                     "10:30:100",
	"passwordauthentication":          "yes",
	"permitemptypasswords":            "no",
	"permitlisten":                    "any",
	"permitopen":                      "any",
	"permitrootlogin":                 "prohibit-password",
	"permittty":                       "yes",
	"permittunnel":                    "no",
	"permituserenvironment":           "no",
	"permituserrc":                    "yes",
	"persourcemaxstartups":            "none",
	"persourcenetblocksize":           "32:128",
	"port":                            "22",
	"printlastlog":                    "yes",
	"printmotd":                       "yes",
	"pubkeyauthentication":            "yes",
	"pubkeyauthoptions":               "none",
	"rekeylimit":                      "0 0",
	"requiredrsasize":                 "1024",
	"revokedkeys":                     "none",
	"securitykeyprovider":             "internal",
	"streamlocalbindmask":             "0177",
	"streamlocalbindunlink":           "no",
	"strictmodes":                     "yes",
	"syslogfacility":                  "AUTH",
	"tcpkeepalive":                    "yes",
	"trustedusercakeys":               "none",
	"unusedconnectiontimeout":         "none",
	"usedns":                          "no",
	"usepam":                          "no",
	"versionaddendum":                 "none",
	"x11displayoffset":                "10",
	"x11forwarding":                   "no",
	"x11uselocalhost":                 "yes",
}
