//go:build !linux

package ws

import "context"

// Watcher is there on Linux only.
type Watcher struct{}

// NewWatcher returns nil without an error where there is none.
func NewWatcher() (*Watcher, error) { return nil, nil }

func (*Watcher) watch(*Conn) bool    { return false }
func (*Watcher) forget(*Conn)        {}
func (*Watcher) Run(context.Context) {}
