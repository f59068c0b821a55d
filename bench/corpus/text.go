package corpus

import (
	"math"
	"math/rand/v2"
	"strings"
)

// words are what notes are made of: plain ones, some that JSON must escape,
// and some that are several bytes a character.
var words = strings.Fields(`the of to and a in is it you that he was for on are with as I his they be at one have this
from or had by hot but some what there we can out other were all your when up use word how said an each she which do
their time if will way about many then them would write like so these her long make thing see him two has look more
day could go come did my sound no most number who over know water than call first people may down side been now find
relay nostr zap sats bitcoin key note client bridge onion privacy freedom coffee sunrise bread garden mountain river
gm pura vida 🫡 ⚡ 🤙 🍕 naïve façade Zürich 東京 こんにちは привет مرحبا don't "quoted" a/b x<y a&b C:\tmp tab	end — …`)

// topics are hashtags, the most used first.
var topics = strings.Fields(`nostr bitcoin asknostr photography art foodstr memes grownostr plebchain zapathon music
introductions coffee nature travel bookstr dev golang rust linux privacy cats dogs gardening cycling running chess
poetry economics history science space homestead permaculture cooking bread wine whisky tattoo film gaming`)

// sentence returns random words, at least size bytes of them.
func sentence(r *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		if b.Len() > 0 {
			if r.IntN(25) == 0 {
				b.WriteString("\n\n")
			} else {
				b.WriteByte(' ')
			}
		}
		if r.IntN(60) == 0 {
			b.WriteString("https://image.example.com/" + hexText(r, 16) + ".jpg")
			continue
		}
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

const hexDigits, base64Digits = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func hexText(r *rand.Rand, n int) string    { return digits(r, hexDigits, n) }
func base64Text(r *rand.Rand, n int) string { return digits(r, base64Digits, n) }

func digits(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	var bits uint64
	for i := range b {
		if i%8 == 0 {
			bits = r.Uint64()
		}
		b[i] = alphabet[int(bits&255)%len(alphabet)]
		bits >>= 8
	}
	return string(b)
}

// around returns a size with that median and a long tail, as sizes in real
// networks have: spread 1 makes one in twenty over five times the median.
func around(r *rand.Rand, median, spread float64, most int) int {
	return min(most, int(median*math.Exp(r.NormFloat64()*spread))+1)
}
