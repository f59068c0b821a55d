package corpus

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// cacheVersion changes when Generate gives other events for the same Config.
const cacheVersion = 1

// Cached returns the corpus that c describes, from dir if it was generated
// before; else it generates it and keeps it there. An empty dir keeps nothing.
func Cached(dir string, c Config) (*Corpus, error) {
	if dir == "" {
		return Generate(c), nil
	}
	c = c.withDefaults()
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, fmt.Sprintf("corpus-v%d-%x.jsonl", cacheVersion, sha256.Sum256(text))[:40]+".jsonl")
	kept, err := ReadFile(name, 0)
	switch {
	case err == nil && len(kept.Events) == c.Events:
		whole := Generate(Config{Seed: c.Seed, Authors: c.Authors, Mix: c.Mix})
		whole.Config, whole.Events = c, kept.Events
		return whole, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	made := Generate(c)
	if err := made.save(name); err != nil {
		return nil, fmt.Errorf("cache corpus: %w", err)
	}
	return made, nil
}

// save writes the file under another name first: a cut leaves no half corpus.
func (c *Corpus) save(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "corpus-*.part")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(Write(f, slices.Values(c.Events)), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
