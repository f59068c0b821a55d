package records

import (
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
)

// dead is the set of the serials whose records are not needed: a bit each, in
// memory and, as of the last write, in a file.
type dead struct {
	file  *os.File
	pages atomic.Pointer[[]*deadPage]
	mu    sync.Mutex // held to change anything
}

type deadPage struct {
	words   [pageWords]atomic.Uint64
	changed bool // since it was written; guarded by dead.mu
}

const (
	deadName  = "records.dead"
	pageWords = 512
	pageBytes = 8 * pageWords
	pageBits  = 64 * pageWords
)

func openDead(name string) (*dead, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	d := &dead{file: f}
	d.pages.Store(new([]*deadPage))
	var b [pageBytes]byte
	for at := int64(0); ; at += pageBytes {
		n, err := f.ReadAt(b[:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, errors.Join(err, f.Close())
		}
		if n == 0 {
			return d, nil
		}
		clear(b[n:])
		p := d.pageLocked(int(at / pageBytes))
		for i := range p.words {
			p.words[i].Store(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
}

// pageLocked returns a page that it makes if need be.
func (d *dead) pageLocked(n int) *deadPage {
	list := *d.pages.Load()
	if n >= len(list) {
		for len(list) <= n {
			list = append(list, new(deadPage)) // beyond what readers look at
		}
		d.pages.Store(&list)
	}
	return list[n]
}

func (d *dead) has(serial uint64) bool {
	list := *d.pages.Load()
	n := serial / pageBits
	return n < uint64(len(list)) && list[n].words[serial/64%pageWords].Load()>>(serial%64)&1 == 1
}

func (d *dead) add(serial uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pageLocked(int(serial / pageBits))
	p.words[serial/64%pageWords].Or(1 << (serial % 64))
	p.changed = true
}

// count is how many of the serials from base on are in it.
func (d *dead) count(base uint64, serials uint32) (n uint32) {
	for at, end := base, base+uint64(serials); at < end; {
		list := *d.pages.Load()
		page := at / pageBits
		if page >= uint64(len(list)) {
			return n
		}
		word := list[page].words[at/64%pageWords].Load() >> (at % 64)
		step := min(64-at%64, end-at)
		if step < 64 {
			word &= 1<<step - 1
		}
		n += uint32(bits.OnesCount64(word))
		at += step
	}
	return n
}

// forget removes all serials from first on.
func (d *dead) forget(first uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, p := range *d.pages.Load() {
		for i := range p.words {
			at := uint64(n)*pageBits + uint64(i)*64
			var keep uint64
			if at < first {
				keep = ^uint64(0)
				if first-at < 64 {
					keep = 1<<(first-at) - 1
				}
			}
			if p.words[i].And(keep)&^keep != 0 {
				p.changed = true
			}
		}
	}
}

// write writes the pages that have changed. Those that may not have reached the
// disk are written again by the next.
func (d *dead) write(fsync func(*os.File) error) (err error) {
	var wrote []*deadPage
	defer func() {
		if err != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, p := range wrote {
				p.changed = true
			}
		}
	}()
	b := make([]byte, 0, pageBytes)
	for n, p := range *d.pages.Load() {
		if b = d.take(p, b[:0]); len(b) == 0 {
			continue
		}
		wrote = append(wrote, p)
		if _, err := d.file.WriteAt(b, int64(n)*pageBytes); err != nil {
			return err
		}
	}
	if wrote == nil {
		return nil
	}
	return fsync(d.file)
}

// take appends a page that has changed, and takes it as written.
func (d *dead) take(p *deadPage, b []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !p.changed {
		return b
	}
	p.changed = false
	for i := range p.words {
		b = binary.LittleEndian.AppendUint64(b, p.words[i].Load())
	}
	return b
}
