package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v3"
)

// release is the version that this source becomes.
const release = "0.2.0"

// revision is set by a build that has no version control to ask, as that of the
// container image: -ldflags "-X main.revision=…".
var revision string

// build says what this binary was built from, as far as the Go tool recorded it.
type build struct {
	Version  string // of the module, or release
	Revision string // the commit, or ""
	Dirty    bool   // the checkout had changes
	Tags     string // build tags, or ""
	Home     string // URL of the source, as far as the module's path is one; or ""
}

func version() build {
	b := build{Version: release, Revision: revision}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; tagged(v) {
		b.Version = v
	}
	b.Home = home(info.Main.Path)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		case "-tags":
			b.Tags = s.Value
		}
	}
	return b
}

// tagged reports that v is that of a tag, or newer than one: the Go tool calls a
// checkout without tags v0.0.0.
func tagged(v string) bool {
	return v != "" && v != "(devel)" && !strings.HasPrefix(v, "v0.0.0-")
}

// home is where a module's path leads: nowhere, unless it begins with a host.
func home(module string) string {
	host, _, _ := strings.Cut(module, "/")
	if !strings.Contains(host, ".") {
		return ""
	}
	return "https://" + module
}

func (b build) String() string {
	s := b.Version
	if b.Revision != "" {
		s += " " + b.Revision[:min(12, len(b.Revision))]
	}
	if b.Dirty {
		s += " (changed)"
	}
	return s
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "say which moa this is",
		Action: func(_ context.Context, cmd *cli.Command) error {
			b := version()
			fmt.Fprintf(cmd.Root().Writer, "moa %s, %s %s/%s", b, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if b.Tags != "" {
				fmt.Fprintf(cmd.Root().Writer, ", tags %s", b.Tags)
			}
			fmt.Fprintln(cmd.Root().Writer)
			return nil
		},
	}
}
