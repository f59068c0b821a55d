package bench

import (
	"cmp"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"time"
)

// Machine is where the load came from.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPU   string `json:"cpu,omitempty"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
}

func thisMachine() Machine {
	return Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version()}
}

// usage is what a process and its children use.
type usage struct {
	cpu time.Duration // since they started
	rss int64         // bytes
	// read is what the system has read from disk for it, in bytes; 0 if the
	// system does not say.
	read int64
	ok   bool // it could be read
}

// dropPages has the system forget what it keeps in memory of the files in a
// folder, and returns how that went, for a note. No process may use the files.
func dropPages(dir string) string {
	if dir == "" {
		return "what the system keeps of its files was left as it was"
	}
	var dropped int64
	var failed error
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if err := dropFile(name); err != nil {
			failed = err
			return nil
		}
		info, err := d.Info()
		if err == nil {
			dropped += blocks(info)
		}
		return err
	})
	if err = cmp.Or(failed, err); err != nil {
		return "the system could not be made to forget its files: " + err.Error()
	}
	return fmt.Sprintf("the system forgot what it kept in memory of its files, %.0f MB on disk", float64(dropped)/1e6)
}

// diskUsage returns the bytes that the files of a folder take on disk. Files
// that vanish while it looks are not counted.
func diskUsage(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			bytes += blocks(info)
		}
		return nil
	})
	return bytes
}
