package builtin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"moa/policy"
	"moa/policy/conf"
	"moa/policy/plugin"
)

type pluginConfig struct {
	Command   string        `toml:"command" comment:"A program that speaks strfry's write-policy protocol: its path, or a line for the shell\nif there is a space in it. It is started again when its file changes. A path that ends in\n.wasm is a WebAssembly module (WASI preview 1) that speaks the protocol; it runs inside\nthe relay and can do nothing else: no files, no network." example:"\"./spam-filter.py\""`
	Processes int           `toml:"processes" comment:"How many of it run at a time."`
	InFlight  int           `toml:"in_flight" comment:"How many questions one process gets before it has answered the first."`
	Memory    int           `toml:"memory" comment:"How much memory a .wasm module may use, in MiB."`
	Queue     int           `toml:"queue" comment:"How many questions wait for a process. More count as not answered."`
	Timeout   conf.Duration `toml:"timeout" comment:"How long one answer may take. A process that gives none at all for so long is started again."`
	OnFailure string        `toml:"on_failure" comment:"What becomes of an event without an answer: \"reject\" or \"accept\"."`
	Extended  bool          `toml:"extended" comment:"Also ask about filters (\"type\":\"filter\"), and name the keys that the client has proved (\"authed\")."`
}

var pluginDefaults = pluginConfig{
	Processes: 1, InFlight: 64, Memory: 64, Queue: 1024, Timeout: conf.Duration(5 * time.Second), OnFailure: "reject",
}

func newPlugin(env *policy.Env, cfg pluginConfig, bad *conf.Faults) policy.Policy {
	for _, n := range []struct {
		path  string
		value int
	}{{"processes", cfg.Processes}, {"in_flight", cfg.InFlight}, {"queue", cfg.Queue}, {"memory", cfg.Memory}} {
		if n.value < 1 {
			bad.Add(n.path, "%d is less than 1", n.value)
		}
	}
	if cfg.Memory > 4096 {
		bad.Add("memory", "%d is more than 4096", cfg.Memory)
	}
	if cfg.Timeout <= 0 {
		bad.Add("timeout", "it is 0")
	}
	if cfg.OnFailure != "reject" && cfg.OnFailure != "accept" {
		bad.Add("on_failure", `%q is neither "reject" nor "accept"`, cfg.OnFailure)
	}
	command, err := findProgram(env, cfg.Command)
	if err != nil {
		bad.Add("command", "%v", err)
	}
	if len(*bad) > 0 {
		return nil
	}
	return plugin.New(*env, plugin.Config{
		Command: command, Dir: env.Dir, Memory: cfg.Memory,
		Processes: cfg.Processes, InFlight: cfg.InFlight, Queue: cfg.Queue,
		Timeout: time.Duration(cfg.Timeout), FailOpen: cfg.OnFailure == "accept", Extended: cfg.Extended,
	})
}

// findProgram makes a program's path independent of the working directory. A
// line for the shell stays as it is.
func findProgram(env *policy.Env, command string) (string, error) {
	switch {
	case strings.TrimSpace(command) == "":
		return "", errors.New("missing; it names the program")
	case strings.ContainsAny(command, " \t"):
		return command, nil
	case strings.HasSuffix(command, ".wasm"):
		path, err := filepath.Abs(env.Path(command))
		if err == nil {
			_, err = os.Stat(path)
		}
		return path, err
	case strings.Contains(command, "/"):
		path, err := filepath.Abs(env.Path(command))
		if err == nil {
			_, err = exec.LookPath(path)
		}
		return path, err
	}
	return exec.LookPath(command)
}
