package nip77_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"

	"moa/nips/event"
	"moa/nips/nip77"
)

// note is an event as far as it matters here.
type note struct {
	at int64
	id event.ID
}

// notes makes n of them, about perSecond in a second.
func notes(r *rand.Rand, n, perSecond int) []note {
	list := make([]note, n)
	for i := range list {
		list[i].at = r.Int64N(int64(n/perSecond + 1))
		for k := range list[i].id {
			list[i].id[k] = byte(r.Uint32())
		}
	}
	return list
}

// sealed is the set of them.
func sealed(list []note) *nip77.Set {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b note) int {
		return cmp.Or(cmp.Compare(b.at, a.at), bytes.Compare(a.id[:], b.id[:]))
	})
	set := new(nip77.Set)
	for _, n := range list {
		set.Add(n.at, n.id)
	}
	set.Seal()
	return set
}

// outcome is what a client has learned.
type outcome struct {
	have, need []string // only the client has; only the relay has
	rounds     int
	longest    int // answer, bytes
}

// reconcile lets go-nostr's client work on its own records against the set.
func reconcile(t testing.TB, own []note, set *nip77.Set, clientFrame int, frame nip77.Frame) (o outcome) {
	t.Helper()
	v := vector.New()
	for _, n := range own {
		v.Insert(nostr.Timestamp(n.at), n.id.String())
	}
	v.Seal()
	client := negentropy.New(v, clientFrame)
	var gather sync.WaitGroup
	collect := func(from chan string, to *[]string) {
		gather.Go(func() {
			for id := range from {
				*to = append(*to, id)
			}
		})
	}
	collect(client.Haves, &o.have)
	collect(client.HaveNots, &o.need)
	message := client.Start()
	for message != "" {
		if o.rounds++; o.rounds > 20_000 {
			t.Fatal("there is no end to it")
		}
		raw, err := hex.DecodeString(message)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := set.Answer(raw, frame)
		if err != nil {
			t.Fatalf("%s: %v", message, err)
		}
		if err := nip77.Check(answer); err != nil {
			t.Fatalf("the answer %x: %v", answer, err)
		}
		o.longest = max(o.longest, len(answer))
		if message, err = client.Reconcile(hex.EncodeToString(answer)); err != nil {
			t.Fatal(err)
		}
	}
	gather.Wait()
	slices.Sort(o.have)
	slices.Sort(o.need)
	// What did not fit into an answer may be looked at twice.
	o.have, o.need = slices.Compact(o.have), slices.Compact(o.need)
	return o
}

// difference is the ids of a that b lacks, sorted.
func difference(a, b []note) []string {
	in := map[note]bool{}
	for _, n := range b {
		in[n] = true
	}
	var ids []string
	for _, n := range a {
		if !in[n] {
			ids = append(ids, n.id.String())
		}
	}
	slices.Sort(ids)
	return ids
}

func TestBothSidesEndEqualWhateverTheFrame(t *testing.T) {
	sets := []struct{ common, client, relay, perSecond int }{
		{0, 0, 0, 1},
		{0, 1, 0, 1},
		{0, 0, 1, 1},
		{31, 0, 0, 1},
		{32, 0, 1, 1},
		{1, 40, 40, 3},
		{0, 0, 5000, 1},
		{0, 5000, 0, 1},
		{1000, 1000, 1000, 1000},
		{3000, 3, 3, 1_000_000},
		{9000, 20, 20, 2},
		{4000, 400, 400, 5},
		{256, 0, 0, 1},
		{255, 1, 0, 1},
		{512, 0, 1, 1},
	}
	for i, n := range sets {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		all := notes(r, n.common+n.client+n.relay, n.perSecond)
		r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
		own := all[:n.common+n.client]
		theirs := slices.Concat(all[:n.common], all[n.common+n.client:])
		set := sealed(theirs)
		if set.Len() != len(theirs) {
			t.Fatalf("%d in the set, want %d", set.Len(), len(theirs))
		}
		have, need := difference(own, theirs), difference(theirs, own)
		for _, frame := range []nip77.Frame{{4096, 1}, {4096, 1 << 20}, {5000, 30}, {60_000, 256}, {1 << 30, 1 << 30}} {
			for _, clientFrame := range []int{0, 4096, 20_000} {
				name := fmt.Sprintf("%+v, frames %+v and %d", n, frame, clientFrame)
				o := reconcile(t, own, set, clientFrame, frame)
				if !slices.Equal(o.have, have) {
					t.Errorf("%s: the client has %d that the relay lacks, want %d", name, len(o.have), len(have))
				}
				if !slices.Equal(o.need, need) {
					t.Errorf("%s: the client needs %d, want %d", name, len(o.need), len(need))
				}
				if o.longest > frame.Bytes {
					t.Errorf("%s: an answer of %d bytes", name, o.longest)
				}
			}
		}
	}
}

// A client that does not bound its messages must not run into our bound: what
// it answers to one answer fits.
func TestAClientsShareIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	all := notes(r, 60_000, 1)
	set := sealed(all[:40_000])
	v := vector.New()
	for _, n := range all[20_000:] {
		v.Insert(nostr.Timestamp(n.at), n.id.String())
	}
	v.Seal()
	client := negentropy.New(v, 0)
	for _, ids := range []chan string{client.Haves, client.HaveNots} {
		go func() {
			for range ids {
			}
		}()
	}
	const most = 100
	longest := 0
	for message := client.Start(); message != ""; {
		raw, err := hex.DecodeString(message)
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, len(raw))
		answer, err := set.Answer(raw, nip77.Frame{Bytes: 1 << 20, Fingerprints: most})
		if err != nil {
			t.Fatal(err)
		}
		if message, err = client.Reconcile(hex.EncodeToString(answer)); err != nil {
			t.Fatal(err)
		}
	}
	if longest > (most+1)*nip77.ClientShare || longest < 20*nip77.ClientShare {
		t.Errorf("the client's longest message has %d bytes", longest)
	}
}

// The fingerprint is the one that the protocol names: computed here as it is
// written down.
func TestFingerprintsAreThoseOfTheProtocol(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{0, 1, 255, 256, 257, 700} {
		list := notes(r, n, 2)
		var total [32]byte
		for _, e := range list {
			carry := 0
			for i := range total {
				carry += int(total[i]) + int(e.id[i])
				total[i] = byte(carry)
				carry >>= 8
			}
		}
		count := []byte{byte(n)}
		if n > 127 {
			count = []byte{byte(n>>7) | 0x80, byte(n & 127)}
		}
		hash := sha256.Sum256(append(total[:], count...))
		ask := append([]byte{nip77.Version, 0, 0, 1}, hash[:16]...)
		answer, err := sealed(list).Answer(ask, nip77.Frame{Bytes: nip77.MinFrame, Fingerprints: 64})
		if err != nil || !bytes.Equal(answer, []byte{nip77.Version}) {
			t.Errorf("%d records: %x %v", n, answer, err)
		}
	}
}

func TestVersions(t *testing.T) {
	set := sealed(nil)
	for _, ask := range []string{"60", "62ffffff", "00", "ff"} { // NIP77.3
		raw, _ := hex.DecodeString(ask)
		answer, err := set.Answer(raw, nip77.Frame{Bytes: nip77.MinFrame, Fingerprints: 64})
		if err != nil || !bytes.Equal(answer, []byte{nip77.Version}) {
			t.Errorf("%s: %x %v", ask, answer, err)
		}
		if err := nip77.Check(raw); err != nil {
			t.Errorf("%s: %v", ask, err)
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	id := strings.Repeat("ab", 32)
	set := sealed(notes(rand.New(rand.NewPCG(4, 4)), 100, 2))
	for _, m := range []struct{ name, hex string }{
		{"nothing", ""},
		{"truncated number", "6180"},
		{"truncated number of 9 bytes", "61" + strings.Repeat("80", 9)},
		{"endless number", "61" + strings.Repeat("80", 1000) + "01"},
		{"number of 65 bits", "61" + "83ffffffffffffffff7f" + "00" + "00"},
		{"no length of a bound", "6105"},
		{"no mode", "610500"},
		{"unknown mode", "61050003"},
		{"mode of 60 bits", "610500" + "c08080808080808000"},
		{"bound of 33 bytes", "610521" + id + "ab00"},
		{"bound cut off", "610520abcd"},
		{"fingerprint cut off", "61000001" + strings.Repeat("00", 15)},
		{"id cut off", "6100000201" + id[2:]},
		{"2^60 ids", "61000002" + "908080808080808000" + id},
		{"2^64-1 ids", "61000002" + "81ffffffffffffffff7f" + id},
		{"no number of ids", "61000002"},
		{"the time 2^64-1", "61" + "81ffffffffffffffff7f" + "0000" + "02" + "0000"},
		{"times above 2^64", "61" + "81ffffffffffffffff7f" + "0000" + "8301" + "0000"},
		{"after infinity", "61000000" + "050000"},
		{"descending ids", "610501ff00" + "0101fe00"},
		{"descending prefixes", "610502ff0100" + "0101ff00"},
	} {
		raw, err := hex.DecodeString(m.hex)
		if err != nil {
			t.Fatal(m.name, err)
		}
		if answer, err := set.Answer(raw, nip77.Frame{Bytes: nip77.MinFrame, Fingerprints: 64}); err == nil {
			t.Errorf("%s: answered with %x", m.name, answer)
		}
		if nip77.Check(raw) == nil {
			t.Errorf("%s: passed", m.name)
		}
	}
}

// Whatever a client sends, it is refused, or answered with a message that is
// well-formed, not longer than the frame, and covers every range.
func FuzzAnswer(f *testing.F) {
	list := notes(rand.New(rand.NewPCG(5, 5)), 600, 2)
	set := sealed(list)
	v := vector.New()
	for _, n := range list[100:] {
		v.Insert(nostr.Timestamp(n.at), n.id.String())
	}
	v.Seal()
	start, _ := hex.DecodeString(negentropy.New(v, 0).Start())
	id := bytes.Repeat([]byte{7}, 32)
	for _, m := range [][]byte{
		start,
		{0x61},
		{0x62},
		{0x61, 0, 0, 2, 0},
		append([]byte{0x61, 0, 0, 2, 1}, id...),
		append([]byte{0x61, 9, 0, 0, 1, 3, 1, 2, 3, 0, 0, 0, 1}, id[:16]...), bytes.Repeat([]byte{0x61, 1, 0}, 99),
	} {
		f.Add(m, 60_000, 64)
	}
	f.Fuzz(func(t *testing.T, m []byte, size, fingerprints int) {
		frame := nip77.Frame{Bytes: max(nip77.MinFrame, size), Fingerprints: fingerprints}
		answer, err := set.Answer(m, frame)
		if (err != nil) != (nip77.Check(m) != nil) {
			t.Fatalf("Answer: %v; Check: %v", err, nip77.Check(m))
		}
		if err != nil {
			return
		}
		if len(answer) > frame.Bytes {
			t.Fatalf("%d bytes, more than %d", len(answer), frame.Bytes)
		}
		if err := nip77.Check(answer); err != nil {
			t.Fatalf("%x: %v", answer, err)
		}
		if len(m) == 1 && !bytes.Equal(answer, []byte{nip77.Version}) {
			t.Fatalf("nothing was answered with %x", answer)
		}
	})
}

// What go-nostr's client works out against this side is exact, whatever the sets.
func FuzzReconcile(f *testing.F) {
	f.Add(uint64(1), uint16(50), uint16(3), uint16(3), uint16(2), 4096)
	f.Add(uint64(2), uint16(900), uint16(300), uint16(0), uint16(900), 9000)
	f.Fuzz(func(t *testing.T, seed uint64, common, client, relay, perSecond uint16, size int) {
		c, k, l := int(common%2000), int(client%500), int(relay%500)
		all := notes(rand.New(rand.NewPCG(seed, 0)), c+k+l, 1+int(perSecond))
		own, theirs := all[:c+k], slices.Concat(all[:c], all[c+k:])
		o := reconcile(t, own, sealed(theirs), 0, nip77.Frame{Bytes: max(nip77.MinFrame, size), Fingerprints: 1 + size%500})
		if !slices.Equal(o.have, difference(own, theirs)) || !slices.Equal(o.need, difference(theirs, own)) {
			t.Errorf("have %d, need %d", len(o.have), len(o.need))
		}
	})
}

// Endless numbers and lists that are not there cost nothing.
func TestMemoryIsBounded(t *testing.T) {
	list := notes(rand.New(rand.NewPCG(6, 6)), 100_000, 2)
	bytesOf := func(f func()) int64 {
		r := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
		return r.AllocedBytesPerOp()
	}
	if n := bytesOf(func() { sealed(list) }); n > int64(len(list))*(40+2)+int64(len(list))*40 { // and its clone
		t.Errorf("a set of %d takes %d bytes", len(list), n)
	}
	set := sealed(list)
	long := append([]byte{nip77.Version}, bytes.Repeat([]byte{1, 0, 0}, 80_000)...)
	if n := testing.AllocsPerRun(10, func() { set.Answer(long, nip77.Frame{Bytes: nip77.MinFrame, Fingerprints: 64}) }); n > 1 {
		t.Errorf("80,000 ranges: %v allocations", n)
	}
}

// The worst that a message of 256 KiB can ask for.
func BenchmarkAnswerWorst(b *testing.B) {
	set := sealed(notes(rand.New(rand.NewPCG(7, 7)), 200_000, 2))
	ask := []byte{nip77.Version}
	for len(ask) < 256<<10 {
		ask = append(append(ask, 5, 0, 1), make([]byte, 16)...)
	}
	for b.Loop() {
		if _, err := set.Answer(ask, nip77.Frame{Bytes: 250_000, Fingerprints: 230}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	set := sealed(notes(rand.New(rand.NewPCG(8, 8)), 1_000_000, 2))
	ask := append([]byte{nip77.Version, 0, 0, 1}, make([]byte, 16)...)
	for b.Loop() {
		if _, err := set.Answer(ask, nip77.Frame{Bytes: 250_000, Fingerprints: 230}); err != nil {
			b.Fatal(err)
		}
	}
}
