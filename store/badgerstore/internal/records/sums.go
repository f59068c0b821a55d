package records

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"iter"
)

// The file of the dead set's sums is
//
//	0        4          8      24       28
//	| "moaS" | version4 | ID 16 | crc of the head | crc of each page, 4 bytes ...
//
// little-endian, crcs of Castagnoli.
const (
	sumsMagic   = "moaS"
	sumsVersion = 1
	sumsHead    = 28
)

// readSums returns the sums that there are: none, if the file's head is not what
// was written.
func (d *dead) readSums() (sums []uint32) {
	info, err := d.sums.Stat()
	if err != nil || info.Size() < sumsHead {
		return nil
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(io.NewSectionReader(d.sums, 0, info.Size()), b); err != nil {
		return nil
	}
	head, b := b[:sumsHead], b[sumsHead:]
	if string(head[:4]) != sumsMagic || binary.LittleEndian.Uint32(head[sumsHead-4:]) != crc32.Checksum(head[:sumsHead-4], castagnoli) {
		return nil
	}
	d.id = ID(head[8:])
	for ; len(b) >= 4; b = b[4:] {
		sums = append(sums, binary.LittleEndian.Uint32(b))
	}
	return sums
}

func (d *dead) writeSums(sums []byte) error {
	_, err := d.sums.WriteAt(sumsFile(sums, d.id), 0)
	return err
}

func sumsFile(sums []byte, id ID) []byte {
	head := make([]byte, sumsHead, sumsHead+len(sums))
	copy(head, sumsMagic)
	copy(head[8:], id[:])
	binary.LittleEndian.PutUint32(head[4:], sumsVersion)
	binary.LittleEndian.PutUint32(head[sumsHead-4:], crc32.Checksum(head[:sumsHead-4], castagnoli))
	return append(head, sums...)
}

// said is the sum of what was written of the page; of one in doubt a wrong one, so
// that it stays in doubt.
func (p *deadPage) said() uint32 {
	if !p.doubted {
		return p.sum
	}
	sum := crc32.New(castagnoli)
	for i := range p.words {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], p.words[i].Load())
		sum.Write(b[:])
	}
	return ^sum.Sum32()
}

// doubtMissing has a page for every serial before next: one that is in no file is in
// doubt.
func (d *dead) doubtMissing(next uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := len(*d.pages.Load()); uint64(n)*pageBits < next; n++ {
		d.pageLocked(n).doubted = true
	}
}

// setID has the ID written beside the sums. If it is another there, they are of
// another store, and so is all that the set says.
func (d *dead) setID(id ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	other := d.id != (ID{}) && d.id != id
	for _, p := range *d.pages.Load() {
		p.doubted = p.doubted || other
		p.wrong = p.wrong || other
		p.changed = p.changed || d.id != id
	}
	d.id = id
}

// Doubted is how many pages of the dead set are in doubt: their sums are missing
// or wrong. What they say is a hint; Vouch makes them anew.
func (l *Log) Doubted() (pages int) {
	l.dead.mu.Lock()
	defer l.dead.mu.Unlock()
	for _, p := range *l.dead.pages.Load() {
		if p.doubted {
			pages++
		}
	}
	return pages
}

// Vouch makes the pages in doubt anew: of their serials up to the last, all
// that are not among living are dead. It must be called alone.
func (l *Log) Vouch(living iter.Seq[uint64]) {
	l.dead.mu.Lock()
	defer l.dead.mu.Unlock()
	pages := *l.dead.pages.Load()
	lives := map[uint64]*[pageWords]uint64{}
	for n, p := range pages {
		if p.doubted {
			lives[uint64(n)] = new([pageWords]uint64)
		}
	}
	for serial := range living {
		if words := lives[serial/pageBits]; words != nil {
			words[serial/64%pageWords] |= 1 << (serial % 64)
		}
	}
	next := l.Next()
	for n, words := range lives {
		p := pages[n]
		for i, living := range words {
			first := n*pageBits + uint64(i)*64
			var dead uint64
			switch {
			case first+64 <= next:
				dead = ^living
			case first < next:
				dead = ^living & (1<<(next-first) - 1)
			}
			p.words[i].Store(dead)
		}
		p.changed, p.doubted, p.wrong = true, false, false
	}
}
