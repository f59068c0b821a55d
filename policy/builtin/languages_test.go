package builtin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
)

// texts are notes as people write them, by their language.
var texts = map[string]string{
	"en": "I have been thinking about relays all weekend, and I still believe that small ones run by people you know are the future of this thing.",
	"de": "Gestern war ich mit den Kindern am See, das Wasser war eiskalt, aber die Sonne schien den ganzen Tag und niemand wollte nach Hause gehen.",
	"fr": "Ce matin le marché était plein de monde, j'ai acheté des fraises et du fromage, et nous avons mangé dehors jusqu'à la tombée de la nuit.",
	"es": "Mañana vamos a caminar por la sierra con unos amigos, llevaremos pan, queso y vino, y volveremos cuando se haga de noche.",
	"pt": "Ontem à noite choveu muito e ficamos sem luz durante horas, mas acendemos velas e ficamos conversando até de madrugada.",
	"it": "Oggi ho finalmente finito di leggere il libro che mi avevi regalato, e devo dire che non mi aspettavo per niente un finale così triste.",
	"pl": "Wczoraj wieczorem poszliśmy do kina na nowy film, ale niestety wszystkie bilety były już wyprzedane, więc wróciliśmy do domu.",
	"ru": "Сегодня утром я проснулся очень рано и пошёл гулять вдоль реки, было тихо и холодно, и никого вокруг не было.",
	"uk": "Учора ввечері ми довго сиділи на кухні, пили чай і розмовляли про те, що було б добре поїхати влітку до моря.",
	"ja": "今日は朝から雨が降っていたので、家でゆっくり本を読みながら過ごしました。夕方になってようやく晴れたので、散歩に出かけました。",
	"zh": "今天早上我去公园散步的时候遇到了一位很久没有见面的老朋友，我们坐在湖边的长椅上聊了整整两个小时，聊工作聊孩子。",
	"ko": "오늘은 오랜만에 친구들을 만나서 맛있는 저녁을 먹고 늦게까지 이야기를 나누었습니다. 정말 즐거운 하루였어요. 다음에도 또 만나고 싶어요.",
	"th": "วันนี้อากาศดีมาก เราเลยไปเดินเล่นที่สวนสาธารณะกับเพื่อนๆ แล้วก็กินข้าวด้วยกันตอนเย็น สนุกมาก",
	"ar": "ذهبنا اليوم إلى السوق القديم واشترينا الخضار والفواكه الطازجة ثم جلسنا في المقهى حتى المساء نتحدث عن السفر",
}

// alike are texts that could as well be in another language that is accepted, so
// they pass: what is not certain is not refused.
var alike = map[string]bool{
	"es denied": true, "ru denied": true, "uk denied": true, // Galician, Bulgarian, Belarusian
	"es, pt allowed": true, "uk, ru allowed": true,
}

func TestLanguages(t *testing.T) {
	note := func(text string) event.Event { return event.Event{Kind: 1, Content: text} }
	for code, text := range texts {
		only := use(t, "use='languages'\nallow=['"+code+"']")
		not := use(t, "use='languages'\ndeny=['"+code+"']")
		expect(t, code+" alone is allowed", ask(only, nobody, note(text)), "")
		want := "blocked: the text seems to be " + languageNames[code] + ", which is not accepted here"
		if alike[code+" denied"] {
			want = ""
		}
		expect(t, code+" is denied", ask(not, nobody, note(text)), want)
		for other, text := range texts {
			if other != code {
				want := "blocked: the text "
				if alike[other+", "+code+" allowed"] {
					want = ""
				}
				expect(t, other+" where "+code+" is allowed", ask(only, nobody, note(text)), want)
				expect(t, other+" where "+code+" is denied", ask(not, nobody, note(text)), "")
			}
		}
	}
	p := use(t, "use='languages'\nallow=['de', 'fr']")
	expect(t, "two languages", ask(p, nobody, note(texts["en"])), "blocked: the text seems to be English; accepted here is only German, French")
	for what, e := range map[string]event.Event{
		"too short":           note("gm everybody, have a nice day"),
		"nothing but links":   note(strings.Repeat("https://example.com/the-quick-brown-fox-jumps #theory @somebody nostr:npub1abcdefgh 12monkeys ", 20)),
		"another kind":        {Kind: 30078, Content: texts["en"]},
		"numbers and symbols": note(strings.Repeat("₿ 1,000 → 2.000 🚀 ", 50)),
		"of no language":      note("zxqv wkpf jjrt bvcm hhgf qpwz mxnc vbzl kjhg pqow xzcv bnmq wert"),
	} {
		expect(t, what, ask(p, nobody, e), "")
	}
	expect(t, "a short text, wanted", ask(use(t, "use='languages'\nallow=['de']\nmin_letters=20\nconfidence=0"), nobody, note("good morning everybody here")), "blocked: ")
	_, faults := build(t, "[[policy]]\nuse='languages'\n[[policy]]\nuse='languages'\nallow=['de','xx']\nmin_letters=0\nconfidence=2")
	var got []string
	for _, f := range faults {
		got = append(got, f.Path)
	}
	if want := "policy[0].allow policy[1].allow[1] policy[1].min_letters policy[1].confidence"; strings.Join(got, " ") != want {
		t.Errorf("faults at %v, want %s", got, want)
	}
}

// What it costs to look at a text does not grow with it.
func TestLanguageOfALongTextCostsAsMuchAsOfAPage(t *testing.T) {
	p := use(t, "use='languages'\nallow=['en']").(*languages)
	for _, filler := range []string{texts["en"] + " ", "x", " ", "😀", "#tag ", "เ"} {
		long := strings.Repeat(filler, 1<<20/len(filler))
		if prose, letters, _ := proseOf(long); letters > maxLetters || len(prose) > 2*maxLooked {
			t.Errorf("%d letters in %d bytes of %.10q…", letters, len(prose), filler)
		}
		start := time.Now()
		p.foreign(long)
		testwait.Speed(t, fmt.Sprintf("1 MiB of %.5q", filler), time.Since(start), 50*time.Millisecond)
	}
}

func BenchmarkLanguage(b *testing.B) {
	p := use(b, "use='languages'\nallow=['en']").(*languages)
	for _, c := range []struct{ name, text string }{
		{"short", "gm nostr"}, {"note", texts["en"]}, {"page", strings.Repeat(texts["en"]+" ", 30)}, {"japanese", texts["ja"]},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.foreign(c.text)
			}
		})
	}
}
