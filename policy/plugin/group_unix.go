//go:build unix

package plugin

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the process into a process group of its own, so that its
// children can be ended with it and a terminal's Ctrl-C does not reach it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endsWithUs(cmd.SysProcAttr)
}

// killGroup ends the process and its children. It may have ended by itself.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
