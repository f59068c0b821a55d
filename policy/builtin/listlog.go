package builtin

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// listLog is a handler that says once what several policies say of one list of people,
// which each of them reads by itself.
type listLog struct {
	slog.Handler
	said *said
}

// listed names a list of people in the log. What is said twice of one list is said once
// only if the people are the same.
type listed struct {
	name string
	sum  uint64 // of the people
}

func (l listed) LogValue() slog.Value { return slog.StringValue(l.name) }

// justSaid is for how long policies may find the same in a list, one after the other.
const justSaid = 2 * fileInterval

// said is what was said last of each list.
type said struct {
	mu   sync.Mutex // guards last
	last map[string]saying
}

type saying struct {
	text string
	at   time.Time
}

// ListLog returns a log for policy.Env.Log that says once what several policies say of
// one list. The policies of an Env with another log have such a log for themselves: with
// this one that is so for policies of before and after a reload, too.
func ListLog(log *slog.Logger) *slog.Logger {
	if _, is := log.Handler().(listLog); is {
		return log
	}
	return slog.New(listLog{log.Handler(), &said{last: map[string]saying{}}})
}

// Handle passes over what was just said of the same list, if an operator reads it.
func (l listLog) Handle(ctx context.Context, r slog.Record) error {
	list, text := "", r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "list" {
			list = a.Value.Resolve().String()
		}
		text += " " + a.String()
		return true
	})
	if list != "" && r.Level >= slog.LevelInfo && l.said.again(list, saying{text, r.Time}) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (l listLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return listLog{l.Handler.WithAttrs(attrs), l.said}
}

func (l listLog) WithGroup(name string) slog.Handler {
	return listLog{l.Handler.WithGroup(name), l.said}
}

func (s *said) again(list string, now saying) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.last[list]; last.text == now.text && now.at.Sub(last.at) < justSaid {
		return true
	}
	s.last[list] = now
	return false
}
