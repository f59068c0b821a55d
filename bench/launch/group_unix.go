//go:build unix

package launch

import (
	"os/exec"
	"syscall"
)

// ownGroup starts the command as the leader of a process group, so that what
// it starts itself can be ended with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup reaches the command and what it has started. A process that has
// ended is no error here.
func signalGroup(cmd *exec.Cmd, s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) }
