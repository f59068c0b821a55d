package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible ends the context at the first Ctrl-C; the second one ends the
// program.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
