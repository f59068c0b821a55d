package corpus

import (
	"math/rand/v2"

	"moa/nips/event"
)

// Mix is the share of each kind; the shares need not add up to anything.
type Mix []Share

// Share is one kind's weight.
type Share struct {
	Kind   uint16 `json:"kind"`
	Weight int    `json:"weight"`
}

// Kinds that only the corpus names.
const (
	kindComment    = 1111  // NIP-22
	kindZapRequest = 9734  // NIP-57
	kindLongForm   = 30023 // NIP-23
	kindAppData    = 30078 // NIP-78
)

// Stored is the mix of what a public relay keeps, mean size 1.0 to 1.4 KB.
func Stored() Mix {
	return Mix{
		{event.KindNote, 350},
		{event.KindReaction, 290},
		{event.KindRepost, 50},
		{event.KindZapReceipt, 60},
		{event.KindMetadata, 50},
		{event.KindFollows, 30},
		{event.KindRelayList, 20},
		{kindComment, 20},
		{kindLongForm, 10},
		{kindAppData, 40},
		{event.KindGiftWrap, 70},
		{event.KindDeletion, 10},
	}
}

// Live is the mix of what happens while people are connected: nothing that
// undoes other events, and chatter that is never stored.
func Live() Mix {
	return Mix{
		{event.KindNote, 380},
		{event.KindReaction, 330},
		{event.KindRepost, 50},
		{event.KindZapReceipt, 60},
		{event.KindGeoChat, 130},
		{event.KindGeoPresence, 40},
		{kindComment, 10},
	}
}

func (m Mix) draw(r *rand.Rand) uint16 {
	sum := 0
	for _, s := range m {
		sum += s.Weight
	}
	n := r.IntN(sum)
	for _, s := range m {
		if n -= s.Weight; n < 0 {
			return s.Kind
		}
	}
	panic("corpus: a mix without weight")
}
