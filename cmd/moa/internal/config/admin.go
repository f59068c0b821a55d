package config

import (
	"moa/nips/event"
	"moa/relay/desk"
)

// AdminKeyEnv is the environment variable from which `moa admin` takes its secret key.
const AdminKeyEnv = "MOA_ADMIN_KEY"

// Administrators are the public keys of [admin] that may decide everything. What is no
// key is a fault elsewhere.
func (c *Config) Administrators() (keys []event.PubKey) {
	for _, hex := range c.Admin.Administrators {
		if pk, err := event.ParsePubKey(hex); err == nil {
			keys = append(keys, pk)
		}
	}
	return keys
}

// Ranks are those of all keys of [admin].
func (c *Config) Ranks() map[event.PubKey]desk.Rank {
	ranks := map[event.PubKey]desk.Rank{}
	for _, hex := range c.Admin.Moderators {
		if pk, err := event.ParsePubKey(hex); err == nil {
			ranks[pk] = desk.Moderator
		}
	}
	for _, pk := range c.Administrators() {
		ranks[pk] = desk.Administrator
	}
	return ranks
}
