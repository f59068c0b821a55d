package relay_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
)

// trySay sends a message of any length to a relay that may end the connection.
func trySay(c *rawConn, m string) error {
	c.SetWriteDeadline(time.Now().Add(relaytest.Patience))
	head := []byte{0x81, 0x80 | byte(len(m))}
	switch {
	case len(m) > math.MaxUint16:
		head = binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, uint64(len(m)))
	case len(m) > 125:
		head = binary.BigEndian.AppendUint16([]byte{0x81, 0xfe}, uint16(len(m)))
	}
	_, err := c.Write(slices.Concat(head, make([]byte, 4), []byte(m)))
	return err
}

// Whatever clients do, and however they end, nothing is charged to anybody once
// they are gone.
func TestNothingIsChargedOnceAllAreGone(t *testing.T) {
	const clients, steps = 40, 120
	st := stores["memory"](t)
	fill(t, st, 3000)
	r := fromAfarOn(t, st, func(c *relay.Config) {
		l := &c.Limits
		l.OutboxBytes, l.OutboxTotalMiB, l.FilterBytes, l.FiltersTotalMiB = 400<<10, 1, 200<<10, 1
		l.Counts, l.CountsPerIP, l.Subscriptions, l.MessageBytes = 4, 6, 8, 64<<10
		c.Sync.Events, c.Sync.TotalEvents, c.Sync.Sessions = 4000, 9000, 4
	})
	seed := rand.Uint64()
	t.Log("seed", seed)
	var all sync.WaitGroup
	for i := range clients {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		ip := fmt.Sprintf("203.0.113.%d", i%5)
		reads, ends := i%3 > 0, i%4
		c := dialRawAs(t, r, ip)
		if reads {
			all.Go(func() { _, _ = io.Copy(io.Discard, c.in) })
		}
		all.Go(func() {
			for range steps {
				id := rnd.IntN(6)
				var m string
				switch rnd.IntN(9) {
				case 0:
					m = fmt.Sprintf(`["REQ","%d",{"kinds":[1,20001],"limit":%d}]`, id, rnd.IntN(3000))
				case 1:
					m = fmt.Sprintf(`["REQ","%d",{"kinds":[20001]},{"#t":["%s"]}]`, id, strings.Repeat("x", rnd.IntN(60_000)))
				case 2:
					m = fmt.Sprintf(`["COUNT","%d",{"since":%d}]`, id, rnd.IntN(5))
				case 3:
					m = fmt.Sprintf(`["NEG-OPEN","%d",{"kinds":[1],"limit":%d},"61"]`, id, 1+rnd.IntN(5000))
				case 4:
					m = fmt.Sprintf(`["NEG-MSG","%d","61"]`, id)
				case 5:
					m = fmt.Sprintf(`["CLOSE","%d"]`, id)
				case 6:
					m = fmt.Sprintf(`["NEG-CLOSE","%d"]`, id)
				case 7:
					m = fmt.Sprintf(`["REQ","%d",{"kinds":["x"]}]`, id)
				case 8:
					m = `["EVENT",` + string(alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: strings.Repeat("x", rnd.IntN(40_000)) + fmt.Sprint(rnd.Uint64())}).Raw) + `]`
				}
				if trySay(c, m) != nil {
					break
				}
			}
			switch ends {
			case 0:
				_ = trySay(c, strings.Repeat("x", 200<<10)) // too long
			case 1:
				c.Write([]byte{0xff, 0xff}) // no frame
			}
			c.Close()
		})
	}
	all.Wait()
	relaytest.Eventually(t, "all are gone", func() bool { return r.Metric(t, "moa_connections") == 0 })
	for _, of := range []string{"outbox", "filters", "counts", "syncs", "geo"} {
		relaytest.Eventually(t, "nothing is charged: "+of, func() bool { return held(t, r, of) == 0 })
	}
	for _, name := range []string{"moa_subscriptions", "moa_syncs", "moa_sync_events", "moa_tickets", "moa_tickets_bytes"} {
		relaytest.Eventually(t, name+" is 0", func() bool { return r.Metric(t, name) == 0 })
	}
}
