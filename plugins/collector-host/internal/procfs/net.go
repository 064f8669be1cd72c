package procfs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The states of sockets that take what comes in: a listening TCP socket, and a UDP socket that is
// not connected to one peer.
const (
	tcpListen      = "0A"
	udpUnconnected = "07"
)

// Socket is one socket that takes what comes in.
type Socket struct {
	Local netip.AddrPort
	UID   uint32
	Inode uint64
}

// ParseSockets reads /proc/net/tcp, tcp6, udp or udp6 and returns the sockets that listen.
func ParseSockets(b []byte, udp bool) ([]Socket, error) {
	want := tcpListen
	if udp {
		want = udpUnconnected
	}
	var out []Socket
	bad := 0
	header := true
	for line := range bytes.Lines(b) {
		if header {
			header = false
			continue
		}
		f := strings.Fields(string(line))
		if len(f) < 10 {
			bad++
			continue
		}
		if f[3] != want {
			continue
		}
		local, err1 := addrPort(f[1])
		remote, err2 := addrPort(f[2])
		uid, err3 := strconv.ParseUint(f[7], 10, 32)
		inode, err4 := strconv.ParseUint(f[9], 10, 64)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			bad++
			continue
		}
		if local.Port() == 0 || remote.Port() != 0 {
			continue
		}
		out = append(out, Socket{Local: local, UID: uint32(uid), Inode: inode})
	}
	return out, unread(bad)
}

// addrPort reads "0100007F:0016": words of the address in the machine's byte order, the port plain.
func addrPort(s string) (netip.AddrPort, error) {
	a, p, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(a)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	port, err := strconv.ParseUint(p, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of %q", s)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// SocketInode reads the target of a link in /proc/PID/fd: "socket:[123]".
func SocketInode(target string) (uint64, bool) {
	s, ok := strings.CutPrefix(target, "socket:[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return n, err == nil
}

func unread(bad int) error {
	if bad == 0 {
		return nil
	}
	return fmt.Errorf("%d lines could not be read", bad)
}
