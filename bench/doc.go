// Package bench loads Nostr relays and checks their answers while it does. A
// workload is a Config and its Run; a Session holds what the workloads against
// one relay have in common: the corpus, what the relay has accepted so far,
// and where measurements go.
//
// It speaks to a relay as any client does and imports nothing of moa's relay:
// only the protocol's own packages.
package bench
