package event

// Kinds that a relay treats in a way of their own.
const (
	KindMetadata      = 0     // NIP-01
	KindNote          = 1     // NIP-10
	KindFollows       = 3     // NIP-02
	KindDM            = 4     // NIP-04, unrecommended
	KindDeletion      = 5     // NIP-09
	KindRepost        = 6     // NIP-18
	KindReaction      = 7     // NIP-25
	KindSeal          = 13    // NIP-59
	KindChat          = 14    // NIP-17, never published bare
	KindFile          = 15    // NIP-17, never published bare
	KindGenericRepost = 16    // NIP-18
	KindVanish        = 62    // NIP-62
	KindGiftWrap      = 1059  // NIP-59
	KindDrop          = 1060  // a wrap that is handed on
	KindReport        = 1984  // NIP-56
	KindZapReceipt    = 9735  // NIP-57
	KindRelayList     = 10002 // NIP-65
	KindGeoChat       = 20000 // BitChat, a message in a geohash cell
	KindGeoPresence   = 20001 // BitChat, presence in a geohash cell
	KindEphemeralWrap = 21059 // NIP-59
	KindAuth          = 22242 // NIP-42
	KindHTTPAuth      = 27235 // NIP-98
)

// Replaceable reports a kind of which only the latest event of an author
// counts (NIP-01).
func Replaceable(kind uint16) bool {
	return kind == KindMetadata || kind == KindFollows || (10000 <= kind && kind < 20000)
}

// Ephemeral reports a kind that is passed on and never stored (NIP-01).
func Ephemeral(kind uint16) bool { return 20000 <= kind && kind < 30000 }

// Addressable reports a kind of which only the latest event of an author and
// `d` tag counts (NIP-01).
func Addressable(kind uint16) bool { return 30000 <= kind && kind < 40000 }

// Newer reports that a version with this time and id takes the place of
// another one: the later wins, of equals the lower id (NIP-01).
func Newer(createdAt int64, id ID, thanCreatedAt int64, thanID ID) bool {
	if createdAt != thanCreatedAt {
		return createdAt > thanCreatedAt
	}
	return string(id[:]) < string(thanID[:])
}
