package bench

import (
	"context"
	"slices"
	"testing"
	"time"

	"moa/bench/corpus"
	"moa/nips/testwait"
)

func TestComparisonTakesTurns(t *testing.T) {
	t.Parallel()
	made := testCorpus(600)
	var order []string
	start := func(name string, f flaws) Contestant {
		return Contestant{Name: name, Start: func(context.Context) (Target, func() error, error) {
			order = append(order, name)
			return Target{URL: startTiny(t, f).url}, func() error { return nil }, nil
		}}
	}
	c := Comparison{
		Contestants: []Contestant{start("good", flaws{}), start("bad", flaws{okTwice: 50})},
		Workloads:   []Workload{quickPublish(), Query{Warmup: 10 * time.Millisecond, Duration: 100 * time.Millisecond, Pool: 5}},
		Rounds:      2,
		Corpus:      func(int) (*corpus.Corpus, error) { return made, nil },
		Options:     Options{Timeout: testwait.Patience},
	}
	r := NewReport(made, Generated)
	if err := c.Run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if want := []string{"good", "bad", "bad", "good"}; !slices.Equal(order, want) {
		t.Errorf("the order was %v, want %v", order, want)
	}
	var got []string
	for _, result := range r.Results {
		got = append(got, result.Workload+" "+result.Target.Name)
		if len(result.Runs) != 2 {
			t.Errorf("%s has %d runs, want 2", result.Workload, len(result.Runs))
		}
		faulty := result.Target.Name == "bad" && result.Workload == "publish"
		if faulty != (len(result.Faults()) > 0) {
			t.Errorf("%s of %s: faults %v", result.Workload, result.Target.Name, result.Faults())
		}
	}
	if want := []string{"publish good", "publish bad", "query good", "query bad"}; !slices.Equal(got, want) {
		t.Errorf("results are %v, want %v", got, want)
	}
}

func TestGentleLoadsOnlyForRelaysElsewhere(t *testing.T) {
	t.Parallel()
	small := Publish{Conns: 1, Rate: 1, Events: 10, Warmup: time.Second, Duration: 10 * time.Second}
	for _, c := range []struct {
		url       string
		w         Workload
		prefilled bool
		refused   bool
	}{
		{"ws://127.0.0.1:7447", Publish{}, false, false},
		{"ws://[::1]:7447", Idle{Conns: 50000}, false, false},
		{"wss://relay.example.com", Publish{}, false, true},
		{"wss://relay.example.com", small, false, false},
		{"wss://relay.example.com", Publish{Conns: 1, Rate: 1, Duration: time.Second}, false, true},
		{"wss://relay.example.com", Query{Conns: 1, Rate: 1, Duration: time.Second}, false, true},
		{"wss://relay.example.com", Query{Conns: 1, Rate: 1, Duration: time.Second}, true, false},
		{"wss://relay.example.com", Live{}, false, true},
	} {
		if err := CheckManners(c.url, c.w, c.prefilled); (err != nil) != c.refused {
			t.Errorf("%s %+v: %v", c.url, c.w, err)
		}
	}
}
