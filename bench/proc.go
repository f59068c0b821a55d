package bench

import (
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
	ok  bool          // it could be read
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
