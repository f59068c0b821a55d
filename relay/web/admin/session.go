package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"moa/nips/event"
)

const (
	sessionIdle = 30 * time.Minute // without a request a session ends
	sessionLife = 12 * time.Hour   // however busy it is
	mostOfKey   = 8                // sessions of one key: the one that is idle longest makes room
)

// session is somebody that has signed in. It is fixed once made, but for the last two.
type session struct {
	key   event.PubKey
	csrf  string // what forms must bring
	began time.Time

	// Guarded by sessions.mu.
	used time.Time
	said string // what the last change has done, to be shown once
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) > sessionIdle || now.Sub(s.began) > sessionLife
}

// sessions are those that there are. Only hashes of tokens are kept: whoever reads the
// memory cannot sign in by it. The zero sessions are none.
type sessions struct {
	mu sync.Mutex // guards the following
	of map[[sha256.Size]byte]*session
}

// begin returns the token of a new session. right reports that a key may have one: no more
// than mostOfKey are kept of each such key.
func (s *sessions) begin(key event.PubKey, now time.Time, right func(event.PubKey) bool) (token string) {
	token = secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[[sha256.Size]byte]*session{}
	}
	var same int
	var idle [sha256.Size]byte // of the same key, the one that is idle longest
	for hash, one := range s.of {
		switch {
		case one.over(now) || !right(one.key):
			delete(s.of, hash)
		case one.key == key:
			if same++; same == 1 || one.used.Before(s.of[idle].used) {
				idle = hash
			}
		}
	}
	if same >= mostOfKey {
		delete(s.of, idle)
	}
	s.of[hashOf(token)] = &session{key: key, csrf: secret(), began: now, used: now}
	return token
}

// find returns the session of a token that may go on, and nil otherwise. said is what was
// left for it.
func (s *sessions) find(token string, now time.Time, right func(event.PubKey) bool) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := hashOf(token)
	one := s.of[hash]
	if one == nil {
		return nil
	}
	if one.over(now) || !right(one.key) {
		delete(s.of, hash)
		return nil
	}
	one.used = now
	return one
}

// end ends a session: its token is worth nothing from now on.
func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, hashOf(token))
}

// leave leaves a text for the next page of a session, and take takes it.
func (s *sessions) leave(one *session, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.said = text
}

func (s *sessions) take(one *session) (text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, one.said = one.said, ""
	return text
}

// secret is 256 random bits.
func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func hashOf(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }
