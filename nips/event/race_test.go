//go:build race

package event_test

// racing says that sync.Pool drops what it is given now and then.
const racing = true
