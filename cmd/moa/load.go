package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"moa/cmd/moa/internal/config"
	"moa/policy"
	"moa/relay/desk"
	"moa/store/badgerstore"
	"moa/store/state"
)

// load reads a configuration and builds its policies. All faults of both come in one
// error.
func load(s *config.Source, env policy.Env, report policy.Report) (config.Config, *policy.Chain, error) {
	c, bad, err := s.Read()
	if err != nil {
		return c, nil, err
	}
	if err := mayDecide(c.Data); err != nil {
		return c, nil, err
	}
	if env.Decided == nil {
		env.Decided = new(desk.Decided) // nothing yet
	}
	chain, more := s.Chain(&c, env, report, nil, nil)
	return c, chain, config.Err(append(bad, more...))
}

// mayDecide refuses a data folder whose decisions this user may not read:
// that is no fault of the configuration.
func mayDecide(dir string) error {
	if err := isFolder(dir); err != nil {
		return err
	}
	for _, name := range []string{state.File, recordFile} {
		f, err := os.Open(filepath.Join(dir, name))
		switch {
		case err == nil:
			f.Close()
		case errors.Is(err, fs.ErrPermission):
			return cmp.Or(badgerstore.MayUse(dir, name), err)
		}
	}
	return nil
}
