package main

import (
	"io"
	"log/slog"
	"net"
	"time"

	"moa/cmd/moa/internal/terminal"
)

// newLogger writes to w: text for a person, JSON for a program, and with the
// format "auto" whichever of them is at the other end.
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	if format == "text" || format != "json" && terminal.Is(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(terminal.ForJSON(w), options))
}

// readable writes times as "1.5s" and addresses as HOST:PORT, in JSON too.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case time.Duration:
		a.Value = slog.StringValue(v.String())
	case net.Addr:
		a.Value = slog.StringValue(v.String())
	}
	return a
}

// logLevel reads a level of the config; info if it is none.
func logLevel(s string) (l slog.Level) {
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return slog.LevelInfo
	}
	return l
}
