package outbox

import "time"

// Ease waits, at most so long, until the outboxes that have become more than half
// full have been written to: a burst is handed on no faster than clients take it
// that read. Those that do not read hold it up for no longer than that.
func (b Batch) Ease(most time.Duration) {
	if !b.writers.crowds.Load() {
		return
	}
	b.writers.mu.Lock()
	crowded := b.writers.crowded
	b.writers.crowded = nil
	b.writers.crowds.Store(false)
	b.writers.mu.Unlock()
	// It is looked at again and again: to be told would cost each delivery a look.
	again := time.NewTicker(time.Millisecond / 4)
	defer again.Stop()
	for end := time.Now().Add(most); len(crowded) > 0; {
		if o := crowded[0]; o.eased() || !time.Now().Before(end) {
			o.forget()
			crowded = crowded[1:]
			continue
		}
		<-again.C
	}
}
