package relay

import (
	"net/http"
	"time"
)

// paced lets a handler's answer take as long as it likes, as long as its client
// reads: each write has its own time. The rest of HTTP has WriteTimeout for a
// whole answer.
type paced struct {
	http.ResponseWriter
	each time.Duration
}

func (p paced) Write(b []byte) (int, error) {
	// An error is that of a writer without deadlines, which has none to move.
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(p.each))
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Flush is for handlers that ask for an http.Flusher.
func (p paced) Flush() {
	_, _ = p.Write(nil) // moves the deadline
	_ = http.NewResponseController(p.ResponseWriter).Flush()
}
