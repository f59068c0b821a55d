package relay

import (
	"slices"

	"moa/nips/relayurl"
)

// roots are the URLs of the relay that a client may go by, without the paths of
// policies: the configured one, and the host that the client is at if a policy
// knows it to be ours, or if there is no URL to go by.
func (s *session) roots(st *settings) []relayurl.Location {
	if len(st.ours) > 0 && !st.chain.OwnHost(s.Host()) {
		return st.ours
	}
	here, err := relayurl.Parse(s.to.Value().URL)
	if err != nil {
		return st.ours
	}
	return append(slices.Clone(st.ours), here)
}

// here reports a URL by which the client may say where it is (NIP-42): what it
// proves at one address holds at no other of this relay. Other paths than those of
// policies do not count, as a proxy may have changed them.
func (s *session) here(st *settings, there relayurl.Location) bool {
	return slices.ContainsFunc(s.roots(st), func(root relayurl.Location) bool {
		switch {
		case there.Host != root.Host, st.chain.OwnHost(s.Host()) && there.Name() != s.Host():
			return false
		case s.Path() != "":
			return there.Path == s.Path()
		}
		return !st.chain.OwnPath(there.Name(), there.Path)
	})
}
