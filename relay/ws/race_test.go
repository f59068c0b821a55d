//go:build race

package ws

// The race detector makes pools forgetful.
const racing = true
