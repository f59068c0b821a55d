package relay

import (
	"slices"

	"moa/nips/relayurl"
)

// roots are the URLs of the relay that a client may go by, without the paths of
// policies: the configured one, and the host that the client is at if a policy
// knows it to be ours, or if there is no URL to go by.
func (c *client) roots(st *settings) []relayurl.Location {
	if len(st.ours) > 0 && !st.chain.OwnHost(c.Host()) {
		return st.ours
	}
	here, err := relayurl.Parse(c.to.Value().URL)
	if err != nil {
		return st.ours
	}
	return append(slices.Clone(st.ours), here)
}

// here reports a URL by which the client may say where it is (NIP-42): what it
// proves at one address holds at no other of this relay. Other paths than those of
// policies do not count, as a proxy may have changed them.
func (c *client) here(st *settings, there relayurl.Location) bool {
	return slices.ContainsFunc(c.roots(st), func(root relayurl.Location) bool {
		switch {
		case there.Host != root.Host, st.chain.OwnHost(c.Host()) && there.Name() != c.Host():
			return false
		case c.Path() != "":
			return there.Path == c.Path()
		}
		return !st.chain.OwnPath(there.Name(), there.Path)
	})
}
