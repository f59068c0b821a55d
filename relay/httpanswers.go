package relay

import (
	"net/http"
	"strconv"
	"time"

	"moa/nips/reason"
)

// readOnly are the methods of what is only read.
const readOnly = "GET, HEAD, OPTIONS"

// withPost are those of what can be called, too.
const withPost = readOnly + ", POST"

// allowAll lets scripts of every web page read the answer (NIP-11), an error no
// less, and tells them the methods that there are.
func allowAll(h http.Header, methods string) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Headers", "*, Authorization")
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", "86400")
}

// sendPage sends a page, or says that there was an error in making it.
func (s *Server) sendPage(w http.ResponseWriter, r *http.Request, body []byte, securityPolicy string, err error) {
	if err != nil {
		s.log.Error("the page cannot be made", "err", err)
		allowAll(w.Header(), readOnly)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", securityPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	send(w, r, "text/html; charset=utf-8", body)
}

// send writes a whole body, or of a HEAD request only its head.
func send(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

func statusOf(r reason.Reason) int {
	switch r {
	case reason.RateLimited:
		return http.StatusTooManyRequests
	case reason.Error:
		return http.StatusServiceUnavailable
	}
	return http.StatusForbidden
}

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
