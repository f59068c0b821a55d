package sig

import (
	"testing"

	"moa/nips/testwait"
)

func TestMain(m *testing.M) { testwait.VerifyTestMain(m) }

func TestCheckedSwitchesOnMismatch(t *testing.T) {
	found := make(chan Mismatch, 16)
	healthy := 1 << 30
	flipped := broken{btcecVerifier{}, "flipped", &healthy}
	ch := NewChecked(Choice{Verifier: flipped, next: candidates}, CheckOptions{
		Every:    4,
		Mismatch: func(m Mismatch) { found <- m },
	})
	defer ch.Close()
	r := Record{Msg: [32]byte{9}}
	verdicts := make([]bool, 3)
	batch := []Record{r, r, r}
	ch.Verify(batch, verdicts)
	if queued, _ := ch.Samples(); queued != 0 {
		t.Fatalf("%d samples of 3 records, want the first at 4", queued)
	}
	healthy = 0 // from here on, every verdict is wrong
	ch.Verify(batch, verdicts)
	m := <-found
	if m.Verifier != "flipped" || !m.Verdict || m.Record != r || m.Now == "flipped" {
		t.Fatalf("mismatch = %+v", m)
	}
	if ch.Name() == "flipped" {
		t.Fatal("the verifier that was caught is still in use")
	}
	if ch.Verify(batch, verdicts); verdicts[0] {
		t.Fatal("wrong verdict after the switch")
	}
}

func TestCheckedSamplesOneInN(t *testing.T) {
	healthy := 1 << 30
	ch := NewChecked(Choice{Verifier: broken{btcecVerifier{}, "good", &healthy}, next: candidates},
		CheckOptions{Every: 3, Queue: 1000, Mismatch: func(m Mismatch) { t.Errorf("mismatch: %+v", m) }})
	verdicts := make([]bool, 20)
	total := 0
	for _, n := range []int{0, 1, 5, 1, 20, 2, 7} {
		ch.Verify(make([]Record, n), verdicts)
		total += n
	}
	ch.Close()
	queued, dropped := ch.Samples()
	if queued != uint64(total/3) || dropped != 0 {
		t.Errorf("%d queued, %d dropped of %d records; want %d and 0", queued, dropped, total, total/3)
	}
	ch.Verify(make([]Record, 1), verdicts) // still serves after Close
	ch.Close()
}

func TestCheckedDropsWhenFull(t *testing.T) {
	block := make(chan struct{})
	healthy := 0
	ch := NewChecked(Choice{Verifier: broken{btcecVerifier{}, "bad", &healthy}, next: candidates},
		CheckOptions{Every: 1, Queue: 2, Mismatch: func(Mismatch) { <-block }})
	verdicts := make([]bool, 10)
	ch.Verify(make([]Record, 10), verdicts) // one in hand at most, two queued
	queued, dropped := ch.Samples()
	if queued+dropped != 10 || dropped < 7 {
		t.Errorf("%d queued, %d dropped; want a full queue to drop", queued, dropped)
	}
	close(block)
	ch.Close()
}
