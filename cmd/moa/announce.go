package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"moa/cmd/moa/internal/outfile"
)

// urlFile, in the data folder, holds the URL of the relay that uses it, so
// that a verb that finds the folder in use can tell where to go.
const urlFile = "relay.url"

// announce writes the URL; leave removes it.
func announce(dir string, addr net.Addr) (leave func(), err error) {
	path := filepath.Join(dir, urlFile)
	if err := outfile.WriteText(path, []byte(localURL(addr.String())+"\n")); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return func() { os.Remove(path) }, nil
}

// announced is the URL of the relay that uses dir, or "". After a crash it may
// be that of one that ran before.
func announced(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, urlFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// localURL is the URL, as this machine sees it, of a relay that listens on
// HOST:PORT.
func localURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "ws://" + listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "ws://" + net.JoinHostPort(host, port)
}
