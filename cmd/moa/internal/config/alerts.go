package config

import (
	"time"

	"moa/policy/conf"
)

// Alerts are messages to the operator about what must be acted on.
type Alerts struct {
	Enabled     bool          `toml:"enabled"`
	DiskPercent int           `toml:"disk_percent" default:"80" least:"1"` // in use of the disk of the data folder
	BackupAfter time.Duration `toml:"backup_after" default:"48h"`          // since the newest backup; 0: nothing is said of backups
}

// checkAlerts finds what is wrong in the table alerts.
func (c *Config) checkAlerts(bad *conf.Faults) {
	*bad = append(*bad, conf.Check("alerts", &c.Alerts)...)
	if c.Alerts.DiskPercent > 100 {
		bad.Add("alerts.disk_percent", "%d is more than 100", c.Alerts.DiskPercent)
	}
	if c.Alerts.BackupAfter < 0 {
		bad.Add("alerts.backup_after", "%v is a negative time", c.Alerts.BackupAfter)
	}
	if c.Alerts.Enabled && c.Info.PubKey == "" {
		bad.Add("alerts.enabled", "the messages are for info.pubkey, and that is not set")
	}
}
