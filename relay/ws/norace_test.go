//go:build !race

package ws

const racing = false
