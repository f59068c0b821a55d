package main

import (
	"io"
	"log/slog"
)

// newLogger writes to w: text for a person, JSON for a program, and with the
// format "auto" whichever of them is at the other end.
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" || format != "json" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// logLevel reads a level of the config; info if it is none.
func logLevel(s string) (l slog.Level) {
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return slog.LevelInfo
	}
	return l
}
