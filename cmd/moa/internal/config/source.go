package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/conf"
)

// Source is where a configuration comes from: a file, and what overrides it.
type Source struct {
	File     string    // "": none
	lines    fileLines // of the file, once it was read
	override []override
}

// override is the value of a flag or an environment variable.
type override struct {
	leaf  leaf
	from  string // "--listen" or "MOA_LISTEN", for faults
	value string
}

// Flag names the configuration file.
func Flag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "configuration `FILE` (TOML); none is needed", Sources: cli.EnvVars("MOA_CONFIG"), TakesFile: true}
}

// prominent are the keys whose flags `--help` shows.
var prominent = map[string]string{
	"listen":     "listen on `HOST:PORT`",
	"data":       "keep events in `DIR`",
	"url":        "the relay's public `URL`, wss://…",
	"log.level":  "`LEVEL`: debug, info, warn or error",
	"log.format": "`FORMAT`: text, json or auto",
}

// Flags are --config and one flag for every key of the file.
func Flags() []cli.Flag {
	flags := []cli.Flag{Flag()}
	defaults := Default()
	for l := range defaults.leaves() {
		usage, shown := prominent[l.Path]
		f := &cli.StringFlag{Name: l.flag(), Usage: usage, Hidden: !shown, Sources: cli.EnvVars(l.env())}
		if shown {
			f.DefaultText = l.Value.String()
		}
		if short, ok := strings.CutPrefix(l.Path, "log."); ok {
			f.Aliases = []string{"log-" + short}
		}
		flags = append(flags, f)
	}
	return flags
}

// SourceOf reads the flags and the environment.
func SourceOf(cmd *cli.Command) *Source {
	s := &Source{File: cmd.String("config")}
	defaults := Default()
	for l := range defaults.leaves() {
		if !cmd.IsSet(l.flag()) {
			continue
		}
		o := override{leaf: l, from: "--" + l.flag(), value: cmd.String(l.flag())}
		if v, ok := os.LookupEnv(l.env()); ok && v == o.value {
			o.from = l.env()
		}
		s.override = append(s.override, o)
	}
	return s
}

// Read reads the configuration and returns every fault of it. An error says
// that there is nothing to find faults in.
func (s *Source) Read() (c Config, bad conf.Faults, err error) {
	c = Default()
	if s.File != "" {
		found, err := s.readFile(&c)
		if err != nil {
			return c, nil, err
		}
		bad = append(bad, s.inFile(found)...)
	}
	for _, o := range s.override {
		for _, f := range conf.Decode(o.table(), &c) {
			f.Source, f.Path = o.from, "" // the source names the key
			bad = append(bad, f)
		}
	}
	for _, f := range append(c.finish(), c.Validate()...) {
		bad = append(bad, s.placed(f))
	}
	return c, bad, nil
}

// Chain builds the policies of a configuration and returns every fault of them.
// What lasts of old, which was built of the tables were, goes on.
func (s *Source) Chain(c *Config, env policy.Env, report policy.Report, old *policy.Chain, were []map[string]any) (*policy.Chain, conf.Faults) {
	env.Dir = filepath.Dir(s.File) // relative names in a file start at its folder
	env.HideMembers = c.Members.Enabled && !c.Members.Public
	env.Administrators = c.Administrators()
	chain, found := builtin.Rebuild(env, report, c.Policy, old, were)
	return chain, s.inFile(found)
}

// Err is an error that shows every fault on a line of its own; nil for none.
func Err(bad conf.Faults) error {
	if len(bad) == 0 {
		return nil
	}
	return usage.Errorf("%s in the configuration:\n%w", terminal.Count(bad.Count(), "fault", "faults"), bad.Err())
}

// inFile says where in the file the faults stand.
func (s *Source) inFile(found conf.Faults) conf.Faults {
	for i, f := range found {
		found[i].Source, found[i].Line = s.File, s.lines.of(f.Path)
		if rest, ok := strings.CutPrefix(f.Wrong, conf.UnknownKey); ok {
			found[i].Wrong = conf.UnknownKey + belongs(f.Path) + rest
		}
	}
	return found
}

// belongs says where a key belongs that stands in the wrong table: at the top, or in the
// only table that has it; otherwise "". What is written below a [table] is of that
// table, which is easily overlooked.
func belongs(path string) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	defaults := Default()
	var tables []string
	for l := range defaults.leaves() {
		if at := strings.LastIndexByte(l.Path, '.') + 1; l.Path[at:] == key {
			tables = append(tables, strings.TrimSuffix(l.Path[:at], "."))
		}
	}
	switch {
	case slices.Contains(tables, ""):
		return " here: it is a key of the top, and belongs before the first [table]"
	case len(tables) == 1:
		return " here: it is a key of [" + tables[0] + "]"
	}
	return ""
}

// placed says where the value of a fault's key stands: the flag or variable that
// sets it, the line of the file, or the defaults.
func (s *Source) placed(f conf.Fault) conf.Fault {
	for _, o := range s.override {
		if o.leaf.Path == f.Path {
			f.Source = o.from
			return f
		}
	}
	if s.File == "" {
		f.Source = "default"
		return f
	}
	f.Source, f.Line = s.File, s.lines.of(f.Path)
	return f
}

// readFile reads the file over what c holds.
func (s *Source) readFile(c *Config) (conf.Faults, error) {
	text, err := os.ReadFile(s.File)
	if err != nil {
		return nil, usage.Error{Err: err}
	}
	var table map[string]any
	if err := toml.Unmarshal(text, &table); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return nil, usage.Errorf("%s:%d:%d: %s%s", s.File, line, column, strings.TrimPrefix(at.Error(), "toml: "), unquoted(text, line))
		}
		return nil, usage.Errorf("%s: %w", s.File, err)
	}
	s.lines = linesOf(text)
	return conf.Decode(table, c), nil
}

// table is the override as a piece of the file would be decoded.
func (o override) table() map[string]any {
	var v any
	if o.leaf.list() {
		items := []any{}
		for item := range strings.SplitSeq(o.value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, o.leaf.parse(item))
			}
		}
		v = items
	} else {
		v = o.leaf.parse(o.value)
	}
	parts := strings.Split(o.leaf.Path, ".")
	for _, key := range slices.Backward(parts) {
		v = map[string]any{key: v}
	}
	return v.(map[string]any)
}
