package relay

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"moa/nips/wire"
	"moa/policy"
	"moa/relay/ws"
	"moa/store"
)

// survive is deferred by a session's goroutine. A panic there is a fault of moa
// that somebody's message has found: it costs that connection.
//
// One that comes from within what sessions share goes on, and ends the relay:
// nobody knows what it has left locked or half done, and a relay that starts
// anew finds all that it has acknowledged.
func (s *session) survive() {
	value := recover()
	if value == nil {
		return
	}
	if amongOthers() {
		panic(value)
	}
	s.met.sessionPanics.Inc()
	if now := time.Now().Unix(); s.panicTold.Swap(now) != now { // one a second tells as much as all
		s.log.Error("a session has panicked, its connection is ended", "conn", s.id, "ip", s.ip, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
	}
	s.turn.Lock()
	s.stopped = true
	s.batch = nil // what was read and not answered; it may be what the panic is about
	s.turn.Unlock()
	s.Send(wire.AppendNotice(nil, "error: the relay has failed to handle a message, and closes this connection"))
	s.end(errPanic)
}

// errPanic ends a session that has panicked.
var errPanic = errors.New("relay: a session has panicked")

// Packages, for their functions' names.
var (
	thisPackage  = reflect.TypeFor[Server]().PkgPath()
	storePackage = reflect.TypeFor[store.Record]().PkgPath()
	wsPackage    = reflect.TypeFor[ws.Conn]().PkgPath()
)

// ofSession are this package's types whose methods touch nothing of others
// themselves.
var ofSession = []string{"session", "client", "settings", "Server", "tasks", "batch", "ticket", "garbage", "Limits"}

// amongOthers reports that the caller's stack goes through the store, or a part
// of the relay that is not one session's alone.
func amongOthers() bool {
	callers := make([]uintptr, 256)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for {
		f, more := frames.Next()
		if ofMany(f.Function) {
			return true
		}
		if !more {
			return false
		}
	}
}

// ofMany reports a function, as "path/package.(*Type).Method", of the store or of
// a part of the relay that many use.
func ofMany(function string) bool {
	slash := strings.LastIndexByte(function, '/') + 1
	dot := strings.IndexByte(function[slash:], '.')
	if dot < 0 {
		return false
	}
	pkg, name := function[:slash+dot], function[slash+dot+1:]
	switch {
	case pkg == storePackage || strings.HasPrefix(pkg, storePackage+"/"):
		return true
	case pkg == wsPackage || !strings.HasPrefix(pkg+"/", thisPackage+"/"):
		return false
	case pkg != thisPackage:
		return true
	}
	owner, _, method := strings.Cut(strings.TrimPrefix(name, "(*"), ").")
	if !method {
		return false // a plain function
	}
	for _, own := range ofSession {
		if owner == own {
			return false
		}
	}
	return true
}

// policyPanicked is told of policies that have panicked, by their chain.
func (s *Server) policyPanicked(n *policy.Named, value any, stack []byte) {
	s.met.policyPanics.WithLabelValues(n.Name).Inc()
	if stack != nil {
		s.log.Error("a policy has panicked, its answer is a refusal", "policy", n.Name, "panic", fmt.Sprint(value), "stack", string(stack))
	}
}

// watchPanics has the chain's panics logged once for each policy, and counted.
func (s *Server) watchPanics(chain *policy.Chain) {
	for _, n := range chain.Links() {
		s.met.policyPanics.WithLabelValues(n.Name)
	}
	chain.OnPanic(s.policyPanicked)
}

// stackOf is the stack of a panic in the background, "" of another error.
func stackOf(err error) string {
	if p, ok := errors.AsType[*policy.PanicError](err); ok {
		return string(p.Stack)
	}
	return ""
}
