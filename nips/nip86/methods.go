package nip86

import (
	"slices"
	"strings"
)

// Type is what a parameter is in JSON, and what it must hold.
type Type int

const (
	PubKey  Type = iota // string: 64 lower-case hex characters
	EventID             // string: the same
	Address             // string: an IP address, or a network as 203.0.113.0/24
	Text                // string
	URL                 // string: http:// or https://, or empty
	Kind                // integer from 0 to 65535
	Integer             // integer
)

// Param is a parameter of a method.
type Param struct {
	Name     string
	Type     Type
	Optional bool // so are those behind it
}

// Method is what can be called.
type Method struct {
	Name   string
	Params []Param
	// Options are those that a call may have, in an object behind its parameters. They
	// are extensions of this relay's.
	Options []string
	// Reads: it changes nothing.
	Reads bool
}

// The names of the methods.
const (
	SupportedMethods = "supportedmethods"

	BanPubKey          = "banpubkey"
	UnbanPubKey        = "unbanpubkey"
	ListBannedPubKeys  = "listbannedpubkeys"
	AllowPubKey        = "allowpubkey"
	UnallowPubKey      = "unallowpubkey"
	ListAllowedPubKeys = "listallowedpubkeys"

	CreateRole   = "createrole"
	EditRole     = "editrole"
	DeleteRole   = "deleterole"
	AssignRole   = "assignrole"
	UnassignRole = "unassignrole"

	ListEventsNeedingModeration = "listeventsneedingmoderation"
	AllowEvent                  = "allowevent"
	BanEvent                    = "banevent"
	UnbanEvent                  = "unbanevent"
	ListBannedEvents            = "listbannedevents"

	ChangeRelayName        = "changerelayname"
	ChangeRelayDescription = "changerelaydescription"
	ChangeRelayIcon        = "changerelayicon"
	ResetSetting           = "resetsetting" // an extension of this relay's

	AllowKind           = "allowkind"
	DisallowKind        = "disallowkind"
	ListAllowedKinds    = "listallowedkinds"
	ListDisallowedKinds = "listdisallowedkinds"

	BlockIP        = "blockip"
	UnblockIP      = "unblockip"
	ListBlockedIPs = "listblockedips"
)

// The names of the options.
const (
	OptionErase = "erase" // true: remove what is stored of the author
	OptionLimit = "limit" // of a list: at most so many entries
	OptionAfter = "after" // of a list: only what stands behind this entry
)

var (
	pubKey = Param{Name: "pubkey", Type: PubKey}
	id     = Param{Name: "id", Type: EventID}
	ip     = Param{Name: "ip", Type: Address}
	kind   = Param{Name: "kind", Type: Kind}
	reason = Param{Name: "reason", Type: Text, Optional: true}
	roleID = Param{Name: "role", Type: Text}
	paging = []string{OptionLimit, OptionAfter}

	roleParams = []Param{
		roleID,
		{Name: "label", Type: Text},
		{Name: "description", Type: Text, Optional: true},
		{Name: "color", Type: Integer, Optional: true},
		{Name: "order", Type: Integer, Optional: true},
	}
)

var methods = []Method{
	{Name: SupportedMethods, Reads: true},
	{Name: BanPubKey, Params: []Param{pubKey, reason}, Options: []string{OptionErase}},
	{Name: UnbanPubKey, Params: []Param{pubKey, reason}},
	{Name: ListBannedPubKeys, Options: paging, Reads: true},
	{Name: AllowPubKey, Params: []Param{pubKey, reason}},
	{Name: UnallowPubKey, Params: []Param{pubKey, reason}},
	{Name: ListAllowedPubKeys, Options: paging, Reads: true},
	{Name: CreateRole, Params: roleParams},
	{Name: EditRole, Params: roleParams},
	{Name: DeleteRole, Params: []Param{roleID}},
	{Name: AssignRole, Params: []Param{pubKey, roleID}},
	{Name: UnassignRole, Params: []Param{pubKey, roleID}},
	{Name: ListEventsNeedingModeration, Options: paging, Reads: true},
	{Name: AllowEvent, Params: []Param{id, reason}},
	{Name: BanEvent, Params: []Param{id, reason}},
	{Name: UnbanEvent, Params: []Param{id, reason}},
	{Name: ListBannedEvents, Options: paging, Reads: true},
	{Name: ChangeRelayName, Params: []Param{{Name: "name", Type: Text}}},
	{Name: ChangeRelayDescription, Params: []Param{{Name: "description", Type: Text}}},
	{Name: ChangeRelayIcon, Params: []Param{{Name: "url", Type: URL}}},
	{Name: ResetSetting, Params: []Param{{Name: "setting", Type: Text}}},
	{Name: AllowKind, Params: []Param{kind}},
	{Name: DisallowKind, Params: []Param{kind}},
	{Name: ListAllowedKinds, Reads: true},
	{Name: ListDisallowedKinds, Reads: true},
	{Name: BlockIP, Params: []Param{ip, reason}},
	{Name: UnblockIP, Params: []Param{ip, reason}},
	{Name: ListBlockedIPs, Options: paging, Reads: true},
}

// Methods are all, in the order of the NIP.
func Methods() []Method { return slices.Clone(methods) }

// Find returns the method of that name.
func Find(name string) (*Method, bool) {
	at := slices.IndexFunc(methods, func(m Method) bool { return m.Name == name })
	if at < 0 {
		return nil, false
	}
	return &methods[at], true
}

// Usage is the method with its parameters: "banpubkey PUBKEY [REASON]".
func (m *Method) Usage() string {
	words := []string{m.Name}
	for _, p := range m.Params {
		word := strings.ToUpper(p.Name)
		if p.Optional {
			word = "[" + word + "]"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (m *Method) needed() (n int) {
	for _, p := range m.Params {
		if !p.Optional {
			n++
		}
	}
	return n
}
