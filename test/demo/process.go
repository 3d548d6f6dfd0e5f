/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// grace is how long a process may take to stop before it is killed.
const grace = 15 * time.Second

// process is a child with a process group of its own, so that Ctrl-C reaches
// it through the demo only, in the right order, and nothing of it is left over.
type process struct {
	name    string
	log     string
	command *exec.Cmd
	done    chan struct{}
}

// launch starts a child that writes into <directory>/<name>.log. It must be
// called from the main goroutine; see dieWithParent.
func launch(directory, name, path string, args ...string) (*process, error) {
	log := filepath.Join(directory, name+".log")
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	p := &process{name: name, log: log, command: exec.Command(path, args...), done: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = output, output
	p.command.SysProcAttr = dieWithParent()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		// How it ended stands in ProcessState.
		_ = p.command.Wait()
		close(p.done)
	}()
	return p, nil
}

// died is an error once the process has ended by itself.
func (p *process) died() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended with %s; the end of %s:\n%s", p.name, p.command.ProcessState, p.log, tail(p.log, 15))
	default:
		return nil
	}
}

// stop ends the process and everything in its group.
func (p *process) stop() {
	group := -p.command.Process.Pid
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(group, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			fmt.Fprintf(os.Stderr, "Stopping %s failed: %v\n", p.name, err)
		}
	}
	signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
	}
	signal(syscall.SIGKILL)
	<-p.done
}

// tail is the last lines of a file.
func tail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return "  " + strings.ReplaceAll(string(bytes.Join(all[max(len(all)-lines, 0):], []byte("\n"))), "\n", "\n  ")
}
