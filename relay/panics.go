package relay

import (
	"reflect"
	"runtime"
	"strings"

	"moa/relay/ws"
	"moa/store"
)

// Packages, for their functions' names.
var (
	thisPackage  = reflect.TypeFor[shared]().PkgPath()
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
