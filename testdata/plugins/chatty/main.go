// Command chatty writes all sorts of noise to its outputs before and after the handshake.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	stdout, stderr := os.Stdout, os.Stderr
	fmt.Println("welcome to chatty")
	fmt.Println("1|not a handshake")
	fmt.Println(strings.Repeat("x", 1<<20))
	for _, line := range []string{
		`{"@message": 5}`, `{"@level": [], "@message": {}, "@timestamp": 1}`, `{"level": "INFO", "msg": "from slog", "n": 9007199254740993}`,
		`{"@level": "debug", "@message": "from hclog", "@module": "m"}`, `{"level":"ERROR","msg":"bad","instance":"mine"}`,
		"plain text", "\x1b[31mred\x1b[0m \xff\xfe", `{"broken": `, "[]", "null", "",
	} {
		fmt.Fprintln(stderr, line)
	}
	fmt.Fprintln(stderr, strings.Repeat("y", 3<<20))
	fmt.Fprint(stderr, "no end of line")

	mode, _ := raw.Mode("CHATTY")
	p := &raw.Plugin{Name: "chatty", Features: []string{"stream"}}
	p.Configure = func(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
		// go-plugin has replaced the outputs by now; both the old and the new ones are used.
		fmt.Println("a forgotten print")
		fmt.Fprintln(os.Stderr, `{"level":"INFO","msg":"logged late"}`)
		fmt.Fprintln(stdout, "to the first standard output")
		if mode == "flood" {
			for i := range 200_000 {
				fmt.Fprintln(stderr, "flood", i)
			}
			for i := range 20_000 {
				fmt.Println("flood of prints", i)
			}
		}
		return &pluginv1.ConfigureResponse{}, nil
	}
	p.Collect = func(_ *pluginv1.CollectRequest, stream raw.Stream) error {
		if err := stream.Send(raw.Batch(raw.Event(1))); err != nil {
			return err
		}
		return p.Wait(stream.Context())
	}
	p.Serve()
}
