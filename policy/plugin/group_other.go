//go:build !unix

package plugin

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup ends the process; here its children must end by themselves.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
