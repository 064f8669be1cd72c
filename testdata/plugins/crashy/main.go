// Command crashy dies where CRASHY says: "start", "half" (in the middle of its handshake), "after" its
// handshake, in "describe" or "configure", "idle" (some milliseconds after it was configured), in the
// "stream" after so many records, "once" (the same, but only where no file of that name lies in its
// state folder), or when it is to "notify".
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"time"

	"github.com/regent-dev/regent/sdk/wire"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	mode, arg := raw.Mode("CRASHY")
	n, _ := strconv.Atoi(arg)
	switch mode {
	case "start":
		fmt.Fprintln(os.Stderr, "cannot open /dev/nonsense: no such device")
		os.Exit(3)
	case "half":
		fmt.Print("1|1|unix|/")
		os.Exit(4)
	case "after":
		fmt.Printf("1|%d|unix|%s/none|grpc|%s\n", wire.Handshake.ProtocolVersion, os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), certificate())
		os.Exit(5)
	}
	state := ""
	p := &raw.Plugin{Name: "crashy", Features: []string{"stream"}}
	p.Describe = func(d *pluginv1.DescribeResponse) error {
		if mode == "describe" {
			panic("no description")
		}
		if mode == "notify" {
			d.Roles = []pluginv1.Role{pluginv1.Role_ROLE_NOTIFIER}
		}
		return nil
	}
	p.Configure = func(_ context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
		if mode == "configure" {
			panic("no configuration")
		}
		state = r.GetStateDir()
		if mode == "idle" {
			time.AfterFunc(time.Duration(n)*time.Millisecond, func() { os.Exit(6) })
		}
		return &pluginv1.ConfigureResponse{}, nil
	}
	p.Collect = func(r *pluginv1.CollectRequest, stream raw.Stream) error {
		from := raw.Cursor(r)
		once := false
		if mode == "once" {
			if _, err := os.Stat(state + "/crashed"); err == nil {
				once = true
			}
		}
		for i := from + 1; i <= from+n; i++ {
			if err := stream.Send(raw.Batch(raw.Event(i))); err != nil {
				return err
			}
			if err := stream.Send(raw.Checkpoint(i)); err != nil {
				return err
			}
		}
		if mode == "stream" || mode == "once" && !once {
			if err := os.WriteFile(state+"/crashed", nil, 0o600); err != nil {
				return err
			}
			// What was sent is on its way, not yet written.
			time.Sleep(50 * time.Millisecond)
			panic("the source is gone")
		}
		return p.Wait(stream.Context())
	}
	p.Notify = func(context.Context, *pluginv1.NotifyRequest) (*pluginv1.NotifyResponse, error) {
		os.Exit(7)
		return nil, nil
	}
	p.Serve()
}

// certificate returns one as a handshake carries it.
func certificate() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return base64.RawStdEncoding.EncodeToString(der)
}
