package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// challengeLife is how long a page may be open before somebody signs in on it.
const challengeLife = 30 * time.Minute

// challenges are what people sign to sign in. Nothing is kept for those who only look:
// a challenge says when it was made, and that this process made it. The zero challenges
// are ready.
type challenges struct {
	once sync.Once
	key  [32]byte
}

var errChallenge = errors.New("this page was open for too long: load it again, and sign in")

const challengeHead = 8 + 16 // the time, and what makes each another

func (c *challenges) make(now time.Time) string {
	var b [challengeHead]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.Unix()))
	rand.Read(b[8:])
	return base64.RawURLEncoding.EncodeToString(append(b[:], c.sum(b[:])...))
}

// check returns an error, fit for the client, if text is no challenge of this process, or
// an old one.
func (c *challenges) check(text string, now time.Time) error {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != challengeHead+sha256.Size || !hmac.Equal(b[challengeHead:], c.sum(b[:challengeHead])) {
		return errChallenge
	}
	if age := now.Unix() - int64(binary.BigEndian.Uint64(b)); age < 0 || age > int64(challengeLife/time.Second) {
		return errChallenge
	}
	return nil
}

func (c *challenges) sum(head []byte) []byte {
	c.once.Do(func() { rand.Read(c.key[:]) })
	m := hmac.New(sha256.New, c.key[:])
	m.Write(head)
	return m.Sum(nil)
}
