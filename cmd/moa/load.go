package main

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v3"

	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/conf"
)

// source is where a configuration comes from: a file, and what overrides it.
type source struct {
	file     string    // "": none
	lines    fileLines // of the file, once it was read
	override []override
}

// override is the value of a flag or an environment variable.
type override struct {
	leaf  leaf
	from  string // "--listen" or "MOA_LISTEN", for faults
	value string
}

// configFlag names the config file.
func configFlag() cli.Flag {
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

// configFlags are --config and one flag for every key of the file.
func configFlags() []cli.Flag {
	flags := []cli.Flag{configFlag()}
	defaults := Default()
	for l := range defaults.leaves() {
		usage, shown := prominent[l.path]
		f := &cli.StringFlag{Name: l.flag(), Usage: usage, Hidden: !shown, Sources: cli.EnvVars(l.env())}
		if shown {
			f.DefaultText = l.value.String()
		}
		if short, ok := strings.CutPrefix(l.path, "log."); ok {
			f.Aliases = []string{"log-" + short}
		}
		flags = append(flags, f)
	}
	return flags
}

// sourceOf reads the flags and the environment.
func sourceOf(cmd *cli.Command) *source {
	s := &source{file: cmd.String("config")}
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

// read reads the configuration and returns every fault of it. An error says
// that there is nothing to find faults in.
func (s *source) read() (c Config, faults []string, err error) {
	c = Default()
	if s.file != "" {
		found, err := s.readFile(&c)
		if err != nil {
			return c, nil, err
		}
		for _, f := range found {
			faults = append(faults, s.lines.at(s.file, f.Path)+": "+f.Error())
		}
	}
	for _, o := range s.override {
		for _, f := range conf.Decode(o.table(), &c) {
			faults = append(faults, o.from+": "+f.Text)
		}
	}
	for _, f := range c.Validate() {
		faults = append(faults, s.where(f.Path)+": "+f.Error())
	}
	return c, faults, nil
}

// chain builds the policies of a configuration and returns every fault of them.
// before, if not nil, are those in force: what lasts of them goes on.
func (s *source) chain(c *Config, env policy.Env, report policy.Report, before *inForce) (*policy.Chain, []string) {
	env.Dir = filepath.Dir(s.file) // relative names in a file start at its folder
	env.Data = cmp.Or(env.Data, c.Data)
	if before == nil {
		before = new(inForce)
	}
	old, were := before.get()
	chain, found := builtin.Rebuild(env, report, c.Policy, old, were)
	faults := make([]string, len(found))
	for i, f := range found {
		faults[i] = s.lines.at(s.file, f.Path) + ": " + f.Error()
	}
	return chain, faults
}

// load reads the configuration and builds its policies. All faults of both
// come in one error.
func (s *source) load(env policy.Env, report policy.Report) (Config, *policy.Chain, error) {
	c, faults, err := s.read()
	if err != nil {
		return c, nil, err
	}
	if err := mayDecide(c.Data); err != nil {
		return c, nil, err
	}
	chain, more := s.chain(&c, env, report, nil)
	return c, chain, faultsError(append(faults, more...))
}

// readFile reads the file over what c holds.
func (s *source) readFile(c *Config) ([]conf.Fault, error) {
	text, err := os.ReadFile(s.file)
	if err != nil {
		return nil, usageError{err}
	}
	var table map[string]any
	if err := toml.Unmarshal(text, &table); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return nil, usagef("%s:%d:%d: %s", s.file, line, column, strings.TrimPrefix(at.Error(), "toml: "))
		}
		return nil, usagef("%s: %w", s.file, err)
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
	parts := strings.Split(o.leaf.path, ".")
	for _, key := range slices.Backward(parts) {
		v = map[string]any{key: v}
	}
	return v.(map[string]any)
}

// parse reads one value as the file would have it. What cannot be read stays a
// string, which the decoder then refuses with the words that fit the key.
func (l leaf) parse(s string) any {
	if l.text() {
		return s
	}
	var one struct{ V any }
	if err := toml.Unmarshal([]byte("V = "+s), &one); err != nil {
		return s
	}
	return one.V
}

// faultsError is an error that shows every fault on a line of its own; nil for
// none.
func faultsError(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	return usagef("%d fault(s) in the configuration:\n%s", len(faults), strings.Join(faults, "\n"))
}
