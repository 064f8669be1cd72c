// Command collector-files reads and follows files: CloudTrail logs, AWS Config items, and records in
// Regent's own form.
//
// Files are plain or gzip, told by their first bytes. A file that is whole is read once; a file of lines
// that grows is followed from where it was left. The cursor says for each file how far it was read, by
// what the file is (device, inode and the hash of its head) and not by its name, so that rotation
// neither loses nor repeats lines.
package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/regent-dev/regent/sdk"
)

type config struct {
	Paths  []string      `config:"paths,required" doc:"Files, folders (read with all below them) and patterns."`
	Format string        `config:"format,required" doc:"What the files hold." choices:"cloudtrail,aws-config,regent"`
	Follow bool          `config:"follow" doc:"Keep watching for new files and new lines; otherwise the files are read once." default:"true"`
	Once   bool          `config:"once" doc:"End when everything is read and nothing waits to become whole, as an import does. A daemon would read the files again."`
	Poll   time.Duration `config:"poll" doc:"How often to look for changes that no file event told of." default:"5s"`
	Settle time.Duration `config:"settle" doc:"How long a file that ends in the middle of a record must be unchanged before the rest is reported as damaged." default:"10s"`
}

func open(_ context.Context, cfg config, env sdk.Env) (sdk.Collector, error) {
	var errs []error
	if len(cfg.Paths) == 0 {
		errs = append(errs, sdk.Invalid("paths", errors.New("name at least one file, folder or pattern")))
	}
	for _, p := range cfg.Paths {
		if !filepath.IsAbs(p) {
			errs = append(errs, sdk.Invalid("paths", fmt.Errorf("%q is not an absolute path", p)))
		}
		if _, err := filepath.Match(p, ""); err != nil {
			errs = append(errs, sdk.Invalid("paths", fmt.Errorf("%q is not a pattern: %w", p, err)))
		}
	}
	if cfg.Once && cfg.Follow {
		errs = append(errs, sdk.Invalid("once", errors.New("does not go with follow; set follow = false")))
	}
	if cfg.Poll <= 0 {
		errs = append(errs, sdk.Invalid("poll", errors.New("must be greater than zero")))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &collector{cfg: cfg, log: env.Log, format: formats[cfg.Format]}, nil
}

var info = sdk.Info{
	Name: "files", Version: "0.1.0", Summary: "Reads and follows files of CloudTrail events, AWS Config items and Regent records.",
	EventSources: []sdk.EventSource{{Source: "aws.cloudtrail", Doc: "AWS CloudTrail records, unchanged under detail."}},
	Features:     []string{sdk.FeatureStream},
}

func main() { sdk.ServeCollector(info, open) }
