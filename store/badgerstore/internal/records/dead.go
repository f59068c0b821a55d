package records

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
)

// dead is the set of the serials whose records are not needed: a bit each, in
// memory and, as of the last write, in a file. A second file has a sum of each
// page: a page whose sum is another, or missing, is in doubt, until Vouch.
type dead struct {
	file, sums *os.File
	pages      atomic.Pointer[[]*deadPage]
	mu         sync.Mutex // held to change anything
	id         ID         // guarded by mu
}

type deadPage struct {
	words [pageWords]atomic.Uint64

	// Guarded by dead.mu.
	changed bool   // since it was written
	sum     uint32 // of what was written
	doubted bool
	wrong   bool // doubted, and there was a sum
}

const (
	deadName  = "records.dead"
	pageWords = 512
	pageBytes = 8 * pageWords
	pageBits  = 64 * pageWords

	sumSuffix = ".sum"
)

func openDead(name string) (*dead, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	d := &dead{file: f}
	d.pages.Store(new([]*deadPage))
	d.sums, err = os.OpenFile(name+sumSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = d.read()
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *dead) close() error {
	if d.sums == nil {
		return d.file.Close()
	}
	return errors.Join(d.file.Close(), d.sums.Close())
}

// read reads the pages. One that cannot be read is in doubt.
func (d *dead) read() error {
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	sums := d.readSums()
	var b [pageBytes]byte
	for n := 0; int64(n)*pageBytes < info.Size() || n < len(sums); n++ {
		got, err := d.file.ReadAt(b[:], int64(n)*pageBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			got = 0
		}
		clear(b[got:])
		p := d.pageLocked(n)
		p.wrong = n < len(sums) && sums[n] != crc32.Checksum(b[:], castagnoli)
		p.doubted = p.wrong || n >= len(sums)
		if !p.doubted {
			p.sum = sums[n]
		}
		for i := range p.words {
			p.words[i].Store(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
	return nil
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

func (d *dead) remove(serial uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pageLocked(int(serial / pageBits))
	p.words[serial/64%pageWords].And(^(uint64(1) << (serial % 64)))
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

// write writes the pages of the serials before next that have changed, and the
// sums of all. Those that may not have reached the disk are written again by the
// next. Between the two writes a page and its sum differ, and never the other way
// round: a crash leaves doubt, no false belief.
func (d *dead) write(next uint64, fsync func(*os.File) error) (err error) {
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
	d.cover(next)
	b := make([]byte, 0, pageBytes)
	var sums []byte
	for n, p := range *d.pages.Load() {
		b = d.take(p, b[:0])
		sums = binary.LittleEndian.AppendUint32(sums, p.said())
		if len(b) == 0 {
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
	if err := d.writeSums(sums); err != nil {
		return err
	}
	return errors.Join(fsync(d.file), fsync(d.sums))
}

// cover has a page, and so a sum, for every serial before next: what is missing in
// the file is known to be.
func (d *dead) cover(next uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	have := len(*d.pages.Load())
	for n := have; uint64(n)*pageBits < next; n++ {
		d.pageLocked(n).changed = true
	}
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
	p.sum = crc32.Checksum(b, castagnoli)
	return b
}
