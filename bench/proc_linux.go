package bench

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of CPU times in /proc, which Linux fixes for programs.
const tick = time.Second / 100

// processUsage reads what the process and all its descendants use: a relay
// may have been started through a wrapper. CPU of descendants that have ended
// is not counted.
func processUsage(pid int) (u usage) {
	if pid <= 0 {
		return u
	}
	all := processes()
	if _, ok := all[pid]; !ok {
		return u
	}
	for id, p := range all {
		// Up to the wrapper, or to the first process of all.
		for a, depth := id, 0; a > 0 && depth < 32; a, depth = all[a].parent, depth+1 {
			if a == pid {
				u.cpu += p.cpu
				u.rss += p.rss
				u.read += diskReads(id)
				break
			}
		}
	}
	u.ok = true
	return u
}

type process struct {
	parent int
	cpu    time.Duration
	rss    int64
}

// processes reads all of them: /proc names a process's parent, but not on
// every kernel its children.
func processes() map[int]process {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	all := make(map[int]process, len(names))
	for _, name := range names {
		text, err := os.ReadFile(name + "/stat")
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may hold anything; the fields after it
		// start with the third: state, ppid …; utime and stime are the 14th
		// and 15th, rss the 24th.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 22 {
			continue
		}
		number := func(n int) int64 { v, _ := strconv.ParseInt(string(fields[n-3]), 10, 64); return v }
		id, _ := strconv.Atoi(filepath.Base(name))
		all[id] = process{
			parent: int(number(4)),
			cpu:    time.Duration(number(14)+number(15)) * tick,
			rss:    number(24) * int64(os.Getpagesize()),
		}
	}
	return all
}

// diskReads returns what was read from disk for a process, in bytes, 0 if it may
// not be known.
func diskReads(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/io")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nread_bytes: ")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseInt(line, 10, 64)
	return n
}

// dropFile writes the file's pages to disk and drops them from memory.
func dropFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// openFiles is how many files this process may hold open.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return math.MaxInt
	}
	return int(min(l.Cur, math.MaxInt))
}

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// idleCPU returns the time that all cores together have been idle since boot,
// and whether that is known.
func idleCPU() (time.Duration, bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 {
		return 0, false
	}
	idle, _ := strconv.ParseInt(fields[4], 10, 64)
	wait, _ := strconv.ParseInt(fields[5], 10, 64)
	return time.Duration(idle+wait) * tick, true
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// blocks returns the bytes a file takes on disk: databases make sparse files.
func blocks(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}
