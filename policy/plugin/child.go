package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"moa/policy"
)

// child is a running program, of the operating system or of WebAssembly.
type child struct {
	stdin          io.WriteCloser
	stdout, stderr io.Reader
	// end ends the program and all that it has started, and returns once it
	// has; then stdin, stdout and stderr are closed.
	end func() error
}

// isPath reports that the command is a program rather than a line for the shell.
func (p *Policy) isPath() bool { return !strings.ContainsAny(p.cfg.Command, " \t") }

func (p *Policy) start() (*child, error) {
	switch {
	case p.isPath() && strings.HasSuffix(p.cfg.Command, ".wasm"):
		return p.startModule()
	case p.isPath():
		return p.startProgram(exec.Command(p.cfg.Command))
	}
	return p.startProgram(exec.Command("sh", "-c", p.cfg.Command))
}

// environment is what programs are told of the relay's: all but its settings,
// some of which are secrets, as MOA_SELF_KEY.
func environment(all []string) []string {
	return slices.DeleteFunc(all, func(v string) bool { return strings.HasPrefix(v, "MOA_") })
}

func (p *Policy) startProgram(cmd *exec.Cmd) (*child, error) {
	cmd.Dir = p.cfg.Dir
	cmd.Env = environment(os.Environ())
	ownGroup(cmd)
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	stderr, err3 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{stdin, stdout, stderr, func() error {
		killGroup(cmd) // before Wait, so that the process number is still its own
		return cmd.Wait()
	}}, nil
}

// pagesPerMiB is how many pages of WebAssembly memory a MiB has.
const pagesPerMiB = 16

func (p *Policy) startModule() (*child, error) {
	code, err := os.ReadFile(p.cfg.Command)
	if err != nil {
		return nil, err
	}
	// Closing on the end of ctx is what stops a module that computes without end.
	ctx, cancel := context.WithCancel(context.Background())
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(p.modules).
		WithCloseOnContextDone(true).
		WithMemoryLimitPages(uint32(p.cfg.Memory*pagesPerMiB)))
	_, err = wasi_snapshot_preview1.Instantiate(ctx, runtime)
	var module wazero.CompiledModule
	if err == nil {
		err = policy.Safely(func() (err error) {
			module, err = runtime.CompileModule(ctx, code)
			return err
		})
	}
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("%s: %w", p.cfg.Command, err), runtime.Close(context.Background()))
	}
	stdin, toModule := io.Pipe()
	fromModule, stdout := io.Pipe()
	noise, stderr := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := policy.Safely(func() error {
			_, err := runtime.InstantiateModule(ctx, module, wazero.NewModuleConfig().
				WithStdin(stdin).WithStdout(stdout).WithStderr(stderr).
				WithSysWalltime().WithSysNanotime())
			return err
		})
		_, _ = stdout.Close(), stderr.Close()
		ended <- err
	}()
	return &child{toModule, fromModule, noise, func() error {
		cancel()
		_, _, _, _ = toModule.Close(), stdin.Close(), fromModule.Close(), noise.Close()
		return errors.Join(<-ended, runtime.Close(context.Background()))
	}}, nil
}
