//go:build !linux

package ws

import "errors"

// ring is for Linux only.
type ring struct{}

const ringSize = 64

func newRing() (*ring, error)      { return nil, errors.ErrUnsupported }
func (g *ring) send([]*Rest) error { return errors.ErrUnsupported }
func (g *ring) close()             {}
