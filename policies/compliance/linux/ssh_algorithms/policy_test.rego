package compliance.linux.ssh_algorithms_test

import data.compliance.linux.ssh_algorithms

parameters := {"ciphers": ["3des-cbc", "arcfour*"], "macs": ["hmac-md5*"], "kex": ["diffie-hellman-group1-sha1"]}

test_broken_algorithms_are_denied if {
	resource := {"configuration": {
		"ciphers": ["aes256-ctr", "3des-cbc", "arcfour128"],
		"macs": ["hmac-md5-etm@openssh.com"],
		"kexAlgorithms": ["diffie-hellman-group1-sha1", "curve25519-sha256"],
	}}
	ssh_algorithms.deny == {
		{"msg": "SSH offers the cipher 3des-cbc", "path": "/configuration/ciphers"},
		{"msg": "SSH offers the cipher arcfour128", "path": "/configuration/ciphers"},
		{"msg": "SSH offers the message authentication code hmac-md5-etm@openssh.com", "path": "/configuration/macs"},
		{"msg": "SSH offers the key exchange diffie-hellman-group1-sha1", "path": "/configuration/kexAlgorithms"},
	} with input as {"resource": resource, "parameters": parameters}
}

test_sound_algorithms_are_clean if {
	resource := {"configuration": {
		"ciphers": ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"],
		"macs": ["hmac-sha2-512-etm@openssh.com"],
		"kexAlgorithms": ["curve25519-sha256"],
	}}
	count(ssh_algorithms.deny) == 0 with input as {"resource": resource, "parameters": parameters}
}
