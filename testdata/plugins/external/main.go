// Command collector-folder records the files of a folder: a collector outside Regent's repository.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/regent-dev/regent/sdk"
)

type config struct {
	Root string `config:"root,required" doc:"Folder to list."`
}

type file struct {
	Size int64  `json:"size" doc:"Size in bytes."`
	Mode string `json:"mode" doc:"Permissions as ls prints them."`
}

type collector struct{ root string }

const fileType = "Example::Folder::File"

func open(_ context.Context, cfg config, _ sdk.Env) (sdk.Collector, error) {
	if _, err := os.Stat(cfg.Root); err != nil {
		return nil, sdk.Invalid("root", err)
	}
	return &collector{cfg.Root}, nil
}

func (c *collector) Collect(ctx context.Context, out sdk.Emitter) error {
	sweep, err := out.SweepBegin(ctx, "files", fileType)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(c.root)
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		item := sdk.Item{AccountID: "local", ResourceType: fileType, ResourceID: filepath.Join(c.root, e.Name())}
		item.Configuration = file{Size: info.Size(), Mode: info.Mode().String()}
		if err := out.Item(ctx, item); err != nil {
			return err
		}
	}
	return sweep.End(ctx, true)
}

var info = sdk.Info{Name: "folder", Version: "0.1.0", Summary: "Records the files of a folder.", ResourceTypes: []sdk.ResourceType{
	{Type: fileType, Schema: sdk.ConfigurationSchema(file{})},
}}

func main() { sdk.ServeCollector(info, open) }
