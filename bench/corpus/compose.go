package corpus

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"

	"moa/nips/event"
)

// composer writes events one after the other; later ones answer earlier ones.
// It keeps what those may refer to and no event, so that a corpus may be larger
// than memory.
type composer struct {
	Config
	*rand.Rand
	net    *network
	people []Person
	writer *rand.Zipf
	wraps  *chain // one-time keys

	signed int     // events so far,
	now    []draft // and those composed since, not yet signed
	notes  int     // so far; the last of them
	recent []ref   // are here, note n at n modulo its length
	mine   [][]event.ID
	second int64             // of the last event,
	seen   map[event.ID]bool // and the ids in it
}

// ref is what an answer says about its target.
type ref struct {
	id     event.ID
	author event.PubKey
	root   event.ID // of its thread; its own id for the first note
	raw    []byte   // nil while it is not signed: can be answered, not quoted
}

const (
	block     = 4096 // events signed together
	relayHint = "wss://relay.example.com"
	// recentNotes is how far back answers may go: target draws 250 notes back
	// on average, and an exponential variable is never over 45 times its mean.
	recentNotes = 12000
)

func newComposer(c Config) *composer {
	net := &network{seed: c.Seed, authors: c.Authors}
	w := &composer{
		Config: c, Rand: net.rng(purposeCompose, 0), net: net, recent: make([]ref, recentNotes),
		mine: make([][]event.ID, c.Authors), seen: map[event.ID]bool{},
	}
	keys := newChain(c.Seed, "author", 0)
	for range c.Authors {
		k := keys.next()
		w.people = append(w.people, Person{PubKey: k.x, key: k})
	}
	w.wraps = newChain(c.Seed, "wrap", 0)
	w.writer = net.writer(w.Rand)
	return w
}

// Generate makes the corpus that c describes.
func Generate(c Config) *Corpus {
	c = c.withDefaults()
	w := newComposer(c)
	events := slices.AppendSeq(make([]*event.Event, 0, c.Events), w.events())
	return &Corpus{Config: c, Events: events, People: w.people, net: w.net}
}

// Stream yields the events that Generate would make, and keeps none of them: 10
// million take less than 1 GB.
func Stream(c Config) iter.Seq[*event.Event] { return newComposer(c.withDefaults()).events() }

// events may be ranged over once.
func (w *composer) events() iter.Seq[*event.Event] {
	return func(yield func(*event.Event) bool) {
		for n := uint64(0); w.signed < w.Events; n++ {
			w.now = w.now[:0]
			notes := w.notes
			for range min(block, w.Events-w.signed) {
				w.now = append(w.now, w.compose())
			}
			for _, e := range signAll(w.Seed, n, w.now) {
				if e.Kind == event.KindNote {
					w.recent[notes%recentNotes].raw = e.Raw
					notes++
				}
				if !yield(e) {
					return
				}
			}
			w.signed += len(w.now)
		}
	}
}

func (w *composer) compose() draft {
	number := w.signed + len(w.now)
	who := int(w.writer.Uint64())
	d := draft{author: w.people[who].key}
	d.Kind = w.Mix.draw(w.Rand)
	d.CreatedAt = w.Base - int64(w.Span.Seconds()*float64(w.Events-1-number)/float64(max(1, w.Events-1)))
	w.fill(&d, who)
	d.PubKey = d.author.x
	d.ID = event.ComputeID(&d.Event)
	if w.said(&d) {
		d.Tags = append(d.Tags, event.Tag{"client", "moa bench " + strconv.Itoa(number)})
		d.ID = event.ComputeID(&d.Event)
	}
	if d.Kind == event.KindNote {
		w.remember(&d, who)
	}
	return d
}

// said reports that a person says the same a second time in one second. A gift
// wrap's key is never used again.
func (w *composer) said(d *draft) bool {
	if d.Kind == event.KindGiftWrap {
		return false
	}
	if d.CreatedAt != w.second {
		w.second = d.CreatedAt
		clear(w.seen)
	}
	twice := w.seen[d.ID]
	w.seen[d.ID] = true
	return twice
}

func (w *composer) remember(d *draft, who int) {
	r := ref{id: d.ID, author: d.PubKey, root: d.ID}
	for _, t := range d.Tags {
		if t[0] == "e" {
			r.root, _ = event.ParseID(t[1])
			break
		}
	}
	w.recent[w.notes%recentNotes] = r
	w.notes++
	w.mine[who] = append(w.mine[who], d.ID)
}

// fill writes tags and content as the kind has them.
func (w *composer) fill(d *draft, who int) {
	switch d.Kind {
	case event.KindNote:
		w.note(d)
	case event.KindReaction:
		w.reaction(d)
	case event.KindRepost:
		w.repost(d)
	case event.KindZapReceipt:
		w.zap(d)
	case event.KindMetadata:
		d.Content = fmt.Sprintf(`{"name":%q,"about":%q,"picture":"https://image.example.com/%s.jpg","nip05":"%s@example.com","lud16":"%[4]s@wallet.example.com"}`,
			"user"+strconv.Itoa(who), "number "+strconv.Itoa(w.signed), hexText(w.Rand, 32), hexText(w.Rand, 8))
	case event.KindFollows:
		for _, p := range w.net.follows(who) {
			d.Tags = append(d.Tags, event.Tag{"p", w.people[p].PubKey.String()})
		}
	case event.KindRelayList:
		for i := range 2 + w.IntN(6) {
			d.Tags = append(d.Tags, event.Tag{"r", "wss://relay" + strconv.Itoa(i) + ".example.com"})
		}
	case kindComment:
		w.comment(d)
	case kindLongForm:
		d.Tags = []event.Tag{{"d", "post-" + hexText(w.Rand, 8)}, {"title", sentence(w.Rand, 30)}, {"t", w.topic()}}
		d.Content = sentence(w.Rand, around(w.Rand, 5000, 0.5, 30000))
	case kindAppData:
		d.Tags = []event.Tag{{"d", "app/settings-" + strconv.Itoa(w.IntN(5))}}
		d.Content = base64Text(w.Rand, around(w.Rand, 600, 0.7, 8000))
	case event.KindGiftWrap:
		w.wrap(d)
	case event.KindDeletion:
		w.deletion(d, who)
	case event.KindGeoChat, event.KindGeoPresence:
		d.Tags = []event.Tag{{"g", w.cell()}, {"n", "anon" + strconv.Itoa(who)}}
		if d.Kind == event.KindGeoChat {
			d.Content = sentence(w.Rand, around(w.Rand, 40, 0.8, 400))
		}
	default:
		d.Content = sentence(w.Rand, around(w.Rand, 150, 0.9, 4000))
	}
}

func (w *composer) topic() string {
	n := len(topics)
	return topics[min(w.IntN(n), w.IntN(n))]
}

// cell returns a geohash; some places are busier than others.
func (w *composer) cell() string {
	places := []string{"u0m7", "u33d", "9q8y", "dr5r", "xn76", "u4pr", "gcpv", "s8k0"}
	return places[min(w.IntN(len(places)), w.IntN(len(places)))][:2+w.IntN(3)]
}

// target draws a note to answer, recent ones with preference. ok is false
// while there is none.
func (w *composer) target() (r ref, ok bool) {
	if w.notes == 0 {
		return ref{}, false
	}
	back := int(w.ExpFloat64() * float64(min(w.notes, 2000)) / 8)
	return w.recent[max(0, w.notes-1-back)%recentNotes], true
}

func (w *composer) note(d *draft) {
	d.Content = sentence(w.Rand, around(w.Rand, 150, 1, 8000))
	if r, ok := w.target(); ok && w.IntN(2) == 0 {
		d.Tags = append(d.Tags, event.Tag{"e", r.root.String(), relayHint, "root"})
		if r.id != r.root {
			d.Tags = append(d.Tags, event.Tag{"e", r.id.String(), relayHint, "reply"})
		}
		d.Tags = append(d.Tags, event.Tag{"p", r.author.String()})
		for range w.IntN(3) {
			d.Tags = append(d.Tags, event.Tag{"p", w.people[w.writer.Uint64()].PubKey.String()})
		}
		return
	}
	for range max(0, w.IntN(6)-2) {
		t := w.topic()
		d.Tags = append(d.Tags, event.Tag{"t", t})
		d.Content += " #" + t
	}
}

// answer adds the tags that name r.
func answer(d *draft, r ref) {
	d.Tags = append(d.Tags, event.Tag{"e", r.id.String(), relayHint}, event.Tag{"p", r.author.String()})
}

func (w *composer) reaction(d *draft) {
	if r, ok := w.target(); ok {
		answer(d, r)
		d.Tags = append(d.Tags, event.Tag{"k", "1"})
	}
	d.Content = []string{"+", "+", "+", "🤙", "❤️", "⚡"}[w.IntN(6)]
}

// repost quotes the whole event if it is signed already (NIP-18).
func (w *composer) repost(d *draft) {
	r, ok := w.target()
	if !ok {
		return
	}
	answer(d, r)
	d.Content = string(r.raw)
}

// zap is a receipt (NIP-57). The request inside has a random signature: relays
// do not check it.
func (w *composer) zap(d *draft) {
	sender := w.people[w.writer.Uint64()].PubKey
	request := event.Event{PubKey: sender, Kind: kindZapRequest, CreatedAt: d.CreatedAt, Content: sentence(w.Rand, 20)}
	var sig [64]byte
	for i := range sig {
		sig[i] = byte(w.Uint32())
	}
	request.Sig = sig
	if r, ok := w.target(); ok {
		answer(d, r)
		request.Tags = append(request.Tags, d.Tags...)
	}
	request.Tags = append(request.Tags, event.Tag{"amount", "21000"}, event.Tag{"relays", relayHint})
	request.ID = event.ComputeID(&request)
	d.Tags = append(d.Tags, event.Tag{"P", sender.String()},
		event.Tag{"bolt11", "lnbc210n1" + hexText(w.Rand, 260)},
		event.Tag{"description", string(request.Append(nil))},
		event.Tag{"preimage", hexText(w.Rand, 64)})
}

func (w *composer) comment(d *draft) {
	d.Content = sentence(w.Rand, around(w.Rand, 120, 0.9, 3000))
	if r, ok := w.target(); ok {
		d.Tags = append(d.Tags, event.Tag{"E", r.root.String(), relayHint}, event.Tag{"K", "1"}, event.Tag{"P", r.author.String()})
		answer(d, r)
		d.Tags = append(d.Tags, event.Tag{"k", "1"})
	}
}

// wrap is what a relay sees of a gift wrap: a key used once, a recipient, and
// a time up to two days in the past.
func (w *composer) wrap(d *draft) {
	d.author = w.wraps.next()
	d.CreatedAt -= int64(w.IntN(2 * 24 * 3600))
	d.Tags = []event.Tag{{"p", w.people[w.writer.Uint64()].PubKey.String()}}
	d.Content = base64Text(w.Rand, around(w.Rand, 1400, 0.3, 8000))
}

// deletion takes back one of the author's own notes, if there is one.
func (w *composer) deletion(d *draft, who int) {
	d.Tags = []event.Tag{{"k", "1"}}
	if own := w.mine[who]; len(own) > 0 {
		d.Tags = append(d.Tags, event.Tag{"e", own[w.IntN(len(own))].String()})
	}
}
