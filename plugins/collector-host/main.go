package main

import (
	"context"
	"fmt"

	"github.com/regent-dev/regent/sdk"
)

// version is the plugin's own.
const version = "0.1.0"

// eventSource is the source of events about watched files.
const eventSource = "linux.host"

// info describes the plugin; families declare the types.
func info() sdk.Info {
	var types []sdk.ResourceType
	for _, f := range families() {
		types = append(types, f.declare())
	}
	return sdk.Info{
		Name:          "host",
		Version:       version,
		Summary:       "This Linux machine: accounts, services, packages, sockets, kernel, files.",
		ResourceTypes: types,
		EventSources: []sdk.EventSource{{
			Source: eventSource,
			Schema: detailSchema(fileChange{}),
			Doc:    "Changes of watched files: file:Create, file:Modify, file:Chmod, file:Chown, file:Rename, file:Delete.",
		}},
		Features: []string{"stream", "sweep"},
	}
}

// open checks the configuration. It reads the machine's id and nothing else.
func open(_ context.Context, cfg config, env sdk.Env) (sdk.Collector, error) {
	chosen, err := cfg.check()
	if err != nil {
		return nil, err
	}
	h, err := newHost(cfg, env)
	if err != nil {
		return nil, fmt.Errorf("open the machine: %w", err)
	}
	return newCollector(h, chosen), nil
}

func main() {
	sdk.ServeCollector(info(), open)
}
