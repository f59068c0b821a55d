package nip19_test

import (
	"errors"
	"strings"
	"testing"

	"moa/nips/nip19"
)

// The key and its spellings are NIP-19's own examples.
const (
	hexKey   = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
	npub     = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
	nprofile = "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p"
	nsec     = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
)

func TestParsePubKey(t *testing.T) {
	for _, in := range []string{
		hexKey, strings.ToUpper(hexKey), npub, strings.ToUpper(npub), nprofile, "nostr:" + npub, " " + npub + "\n",
	} {
		if pk, err := nip19.ParsePubKey(in); err != nil || pk.String() != hexKey {
			t.Errorf("%q: %v, %v", in, pk, err)
		}
	}
}

func TestWhatIsNoPubKey(t *testing.T) {
	note := "note1fntxtkcy9pjwucqwa9mddn7v03wwwsu9j330jj350nvhpky2tuaspk6nqc"
	for _, in := range []string{
		"", "1", "npub1", hexKey[1:], "g" + hexKey[1:], npub[1:], npub[:62] + "7", strings.Replace(npub, "180", "18O", 1),
		"N" + npub[1:], note, "nprofile1" + npub[5:], npub + npub,
	} {
		if pk, err := nip19.ParsePubKey(in); err == nil {
			t.Errorf("%q: %v", in, pk)
		}
	}
}

func TestParseEventID(t *testing.T) {
	const (
		id     = "4cd665db042864ee600ee976d6cfcc7c5ce743859462f94a347cd970d88a5f3b"
		note   = "note1fntxtkcy9pjwucqwa9mddn7v03wwwsu9j330jj350nvhpky2tuaspk6nqc"
		nevent = "nevent1qyfhwumn8ghj7un9d3shjtn90psk6urvv5qzqnxkvhdsg2ryaesqa6tk6m8uclzuuapct9rzl99rglxewrvg5hemqgsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8grqsqqqqqp4z0k6m"
	)
	for _, in := range []string{id, strings.ToUpper(id), note, strings.ToUpper(note), nevent, "nostr:" + nevent, " " + note + "\n"} {
		if got, err := nip19.ParseEventID(in); err != nil || got.String() != id {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "note1", id[1:], "g" + id[1:], note[1:], "N" + note[1:], npub, nprofile, nsec, note + note,
		"nevent1qgsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpn0plh", // without an id
		"note1fntxtkcy9pjwucqwa9mddn7v03wwwsu9j330jj350nvhpky2tumje0sl",        // of 31 bytes
	} {
		if got, err := nip19.ParseEventID(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestWhatIsNoPubKeyNamedAndNotRepeated(t *testing.T) {
	for _, in := range []string{nsec, strings.ToUpper(nsec), "nostr:" + nsec, nsec[:40]} {
		_, asKey := nip19.ParsePubKey(in)
		_, asEvent := nip19.ParseEventID(in)
		for _, err := range []error{asKey, asEvent} {
			if !errors.Is(err, nip19.ErrSecret) || strings.Contains(err.Error(), nsec[5:20]) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestNpub(t *testing.T) {
	pk, err := nip19.ParsePubKey(hexKey)
	if err != nil || nip19.Npub(pk) != npub {
		t.Errorf("%s, %v", nip19.Npub(pk), err)
	}
}

// Every key is written so that it is read back, and no single character of it
// can be changed unnoticed.
func FuzzParsePubKey(f *testing.F) {
	for _, s := range []string{hexKey, npub, nprofile, nsec} {
		f.Add(s, 7, byte('q'))
	}
	f.Fuzz(func(t *testing.T, s string, at int, c byte) {
		pk, err := nip19.ParsePubKey(s)
		if err != nil {
			return
		}
		written := []byte(nip19.Npub(pk))
		if again, err := nip19.ParsePubKey(string(written)); err != nil || again != pk {
			t.Fatalf("%s read again is %v, %v", written, again, err)
		}
		if at < 0 || at >= len(written) || written[at] == c {
			return
		}
		written[at] = c
		if again, err := nip19.ParsePubKey(string(written)); err == nil && again != pk {
			t.Fatalf("%s is taken for %v", written, again)
		}
	})
}
