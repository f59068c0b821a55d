package records

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

const diskPage = 4096

// image is what a file has, or may have, on the disk: pages of bytes, without
// those that are holes.
type image struct {
	length int64
	pages  map[int64][]byte // by offset
}

// imageOf reads a file of a Log with few serials a segment: the rest of its
// offsets is a hole.
func imageOf(t testing.TB, f *os.File) (im image) {
	t.Helper()
	info, err := f.Stat()
	must(t, err)
	im = image{info.Size(), map[int64][]byte{}}
	for at := int64(0); at < im.length; at += diskPage {
		if at == offsetsAt+diskPage && filepath.Base(f.Name()) != deadName {
			at = recordsAt
		}
		b := make([]byte, diskPage)
		n, err := f.ReadAt(b, at)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		im.pages[at] = b[:n]
	}
	return im
}

// inode is a file, whatever its name.
type inode struct {
	file    *os.File // kept open, so that its number is not given to another
	durable image
	between []image // what was written since then, at times
}

// disk knows what is synced of a folder.
type disk struct {
	t       testing.TB
	dir     string
	random  *rand.Rand
	inodes  map[uint64]*inode
	entries map[string]uint64 // durable
	meddle  func()            // called before and after each sync
}

func newDisk(t testing.TB, dir string, random *rand.Rand) *disk {
	d := &disk{t: t, dir: dir, random: random, inodes: map[uint64]*inode{}, meddle: func() {}}
	d.entries = d.list()
	for _, n := range d.inodes {
		n.durable = imageOf(t, n.file)
	}
	return d
}

func (d *disk) close() {
	for _, n := range d.inodes {
		n.file.Close()
	}
}

// list returns the names that there are, with their inodes.
func (d *disk) list() map[string]uint64 {
	d.t.Helper()
	names := map[string]uint64{}
	for _, name := range filesOf(d.t, d.dir) {
		info, err := os.Stat(name)
		must(d.t, err)
		number := info.Sys().(*syscall.Stat_t).Ino
		names[filepath.Base(name)] = number
		if d.inodes[number] == nil {
			f, err := os.Open(name)
			must(d.t, err)
			d.inodes[number] = &inode{file: f}
		}
	}
	return names
}

// fsync is the Log's.
func (d *disk) fsync(f *os.File) error {
	d.meddle()
	names := d.list()
	info, err := f.Stat()
	must(d.t, err)
	if info.IsDir() {
		d.entries = names
	} else {
		n := d.inodes[info.Sys().(*syscall.Stat_t).Ino]
		if n == nil {
			d.t.Fatalf("%s has no name", f.Name())
		}
		n.durable, n.between = imageOf(d.t, n.file), nil
	}
	d.meddle()
	return nil
}

// look remembers what is written now: a page may reach the disk at any time.
func (d *disk) look() {
	d.list()
	for _, n := range d.inodes {
		n.between = append(n.between, imageOf(d.t, n.file))
	}
}

// afterPowerLoss makes a folder of what the disk may have: of the names and of
// each file's length and pages what was synced last, or something later.
func (d *disk) afterPowerLoss() (dir string) {
	d.t.Helper()
	d.look()
	now, names := d.list(), map[string]uint64{}
	for _, from := range []map[string]uint64{d.entries, now} {
		for name := range from {
			n, ok := d.entries[name]
			if d.random.IntN(2) == 0 {
				n, ok = now[name]
			}
			if ok {
				names[name] = n
			}
		}
	}
	dir = d.t.TempDir()
	for name, number := range names {
		n := d.inodes[number]
		versions := append(slices.Clone(n.between), n.durable)
		any := func() image { return versions[d.random.IntN(len(versions))] }
		switch d.random.IntN(4) {
		case 0:
			any = func() image { return n.durable }
		case 1:
			any = func() image { return versions[max(len(versions)-2, 0)] } // the latest
		}
		length := max(any().length, n.durable.length)
		f, err := os.Create(filepath.Join(dir, name))
		must(d.t, err)
		must(d.t, f.Truncate(length))
		pages := map[int64]bool{}
		for _, v := range versions {
			for at := range v.pages {
				pages[at] = true
			}
		}
		for at := range pages {
			if b := any().pages[at]; at < length {
				_, err := f.WriteAt(b[:min(int64(len(b)), length-at)], at)
				must(d.t, err)
			}
		}
		must(d.t, f.Close())
	}
	return dir
}

// entry is what the store's journal has of a commit.
type entry struct {
	list []Record
	drop []uint64
}

func (e *entry) redo(t testing.TB, l *Log) {
	redo(t, l, e.list)
	for _, n := range e.drop {
		l.Drop(n)
	}
}

// machine is a Log on a disk, with a journal, which loses nothing.
type machine struct {
	t       testing.TB
	random  *rand.Rand
	disk    *disk
	log     *Log
	oracle  *oracle
	journal []entry // that Sync has not promised
	lost    *lost   // the power has failed
}

// lost is what a power loss has left.
type lost struct {
	dir     string
	oracle  *oracle
	journal []entry
}

// on switches it on, with a disk of which all is synced.
func (m *machine) on(dir string) {
	m.t.Helper()
	m.disk = newDisk(m.t, dir, m.random)
	m.open(dir)
}

// open opens the log, and does again what the journal has.
func (m *machine) open(dir string) {
	m.t.Helper()
	m.disk.meddle = func() {}
	var err error
	if m.log, err = open(dir, m.disk.fsync); err != nil {
		m.t.Fatal(err)
	}
	m.log.Limit(9000, 60)
	for i := range m.journal {
		m.journal[i].redo(m.t, m.log)
	}
	m.disk.meddle = m.meddle
}

// meddle is what happens while the disk is waited for.
func (m *machine) meddle() {
	switch m.random.IntN(12) {
	case 0:
		m.disk.look()
	case 1, 2:
		m.commit()
	case 3, 4:
		m.fail()
	}
}

func (m *machine) fail() {
	if m.lost == nil {
		m.lost = &lost{m.disk.afterPowerLoss(), m.oracle.clone(), slices.Clone(m.journal)}
	}
}

func (m *machine) commit() {
	e := entry{list: batch(m.random, m.oracle.next)}
	for n := range m.oracle.next {
		if m.oracle.records[n] != nil && m.random.IntN(12) == 0 {
			e.drop = append(e.drop, n)
		}
	}
	if m.random.IntN(5) == 0 { // stored and replaced at once
		e.drop = append(e.drop, e.list[0].Serial)
	}
	must(m.t, m.log.Prepare(e.list))
	m.log.Commit()
	m.oracle.commit(e.list)
	for _, n := range e.drop {
		m.log.Drop(n)
		m.oracle.drop(n)
	}
	m.journal = append(m.journal, e)
}

func (m *machine) sync() {
	done := len(m.journal)
	must(m.t, m.log.Sync())
	m.journal = m.journal[done:]
}

func (m *machine) step() {
	switch m.random.IntN(25) {
	default:
		m.commit()
	case 0, 1, 2:
		must(m.t, m.log.Prepare(batch(m.random, m.oracle.next)))
	case 3, 4, 5, 6, 7:
		m.sync()
	case 8, 9, 10:
		m.sync()
		if _, err := m.log.Collect(m.t.Context(), unneeded, atOnce); err != nil {
			m.t.Fatal(err)
		}
	case 11:
		m.fail()
	case 12, 13: // killed; the disk goes on
		if m.lost == nil {
			must(m.t, m.log.Close())
			m.open(m.disk.dir)
		}
	case 14: // killed while it waits for the disk
		kill := m.disk.fsync
		left := m.random.IntN(6)
		m.log.fsync = func(f *os.File) error {
			if left--; left < 0 {
				return errKilled
			}
			return kill(f)
		}
		if err := m.log.Sync(); !errors.Is(err, errKilled) {
			must(m.t, err)
		}
		if m.lost == nil {
			must(m.t, m.log.Close())
			m.open(m.disk.dir)
		}
		m.log.fsync = kill
	}
}

var errKilled = errors.New("killed")

// recover opens what the power loss has left.
func (m *machine) recover() {
	must(m.t, m.log.Close())
	m.disk.close()
	left := m.lost
	m.oracle, m.journal, m.lost = left.oracle, left.journal, nil
	m.on(left.dir)
}

// The process is killed, and the power fails. Whatever a disk that lost its power has of what was not synced, with the
// journal all is there that was written, and what was dropped stays so.
func TestPowerLossLosesNoRecord(t *testing.T) {
	seeds := uint64(20)
	if os.Getenv("MOA_CRASH_KILLS") != "" {
		seeds = 300
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			m := &machine{t: t, random: random, oracle: newOracle()}
			m.on(t.TempDir())
			for losses := 0; losses < 6; {
				m.step()
				if m.lost != nil {
					m.recover()
					losses++
				}
				m.oracle.check(t, m.log)
			}
			must(t, m.log.Close())
			m.disk.close()
		})
	}
}
