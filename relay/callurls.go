package relay

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"moa/relay/origin"
)

// callURLs are the URLs by which a call to the relay may be signed (NIP-98), of a path
// of a policy or "". What is signed for another relay must not hold here, and a client
// writes what it likes into the Host header, so that counts only if a policy knows the
// host to be ours. Without a configured URL it is the address that the connection came
// to, which no client chooses.
func (st *settings) callURLs(r *http.Request, path string) (urls []string) {
	here := origin.Of(r, st.cfg.TrustedProxies).To.Value()
	switch {
	case st.chain.OwnHost(here.Host):
		urls = append(urls, asHTTP(here.URL))
	case st.cfg.URL != "":
		urls = append(urls, asHTTP(st.cfg.URL))
	default:
		urls = reachedAt(r)
	}
	path += "/"
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	for i := range urls {
		urls[i] = strings.TrimRight(urls[i], "/") + path
	}
	return urls
}

// asHTTP is a ws:// or wss:// URL as HTTP has it.
func asHTTP(url string) string { return "http" + strings.TrimPrefix(url, "ws") }

// reachedAt are the URLs of the address to which the connection came.
func reachedAt(r *http.Request) []string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return nil
	}
	at := local.AddrPort()
	ip, port := at.Addr().Unmap().WithZone(""), strconv.Itoa(int(at.Port()))
	hosts := []string{ip.String()}
	if ip.IsLoopback() {
		hosts = []string{"127.0.0.1", "localhost", "::1"}
	}
	var urls []string
	for _, host := range hosts {
		urls = append(urls, "http://"+net.JoinHostPort(host, port))
	}
	return urls
}
