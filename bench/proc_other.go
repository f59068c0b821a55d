//go:build !linux

package bench

import (
	"errors"
	"io/fs"
	"math"
	"time"
)

// Elsewhere than on Linux neither the relay's nor the machine's use is known.

func processUsage(int) usage { return usage{} }

func ownCPU() time.Duration { return 0 }

func idleCPU() (time.Duration, bool) { return 0, false }

func dropFile(string) error { return errors.ErrUnsupported }

func openFiles() int { return math.MaxInt }

func cpuModel() string { return "" }

func blocks(info fs.FileInfo) int64 { return info.Size() }
