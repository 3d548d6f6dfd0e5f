/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// down removes the cluster, whole or what is left of it. Killing the node's first process makes the kernel kill every
// process of the node and drop its mounts, interfaces and packet filter; cgroups and the directory are left to remove.
func down(directory string) error {
	if _, err := os.Stat(directory); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if pid := runningNode(directory); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the node: %w", err)
		}
		if err := await(ctx, "the node does not stop", func() bool { return runningNode(directory) == 0 }); err != nil {
			return err
		}
	}
	if err := await(ctx, "cgroups stay", func() bool { return removeCgroups() == nil }); err != nil {
		return errors.Join(err, removeCgroups())
	}
	// The kernel keeps a network for minutes after its last process when connections in it were open.
	if _, err := net.InterfaceByName(hostInterface); err == nil {
		if err := execute("ip", "link", "delete", hostInterface); err != nil {
			return err
		}
	}
	return os.RemoveAll(directory)
}

// cgroups are the cluster's in every hierarchy: version 1 has many, version 2 has one.
func cgroups() ([]string, error) {
	single, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", cgroup))
	if err != nil {
		return nil, err
	}
	many, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", "*", cgroup))
	return append(single, many...), err
}

// removeCgroups fails as long as a process is in one of them.
func removeCgroups() error {
	tops, err := cgroups()
	problems := []error{err}
	for _, top := range tops {
		var found []string
		problems = append(problems, filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				found = append(found, path)
			}
			return err
		}))
		for _, path := range slices.Backward(found) { // children first
			problems = append(problems, os.Remove(path))
		}
	}
	return errors.Join(problems...)
}

// writePID remembers a process by its number and the time of its start, since numbers come again.
func writePID(directory string, pid int) error {
	content := fmt.Sprintf("%d %s\n", pid, startTime(pid))
	return os.WriteFile(filepath.Join(directory, "node.pid"), []byte(content), 0o600)
}

// runningNode is the node's first process, or 0.
func runningNode(directory string) int {
	content, err := os.ReadFile(filepath.Join(directory, "node.pid"))
	if err != nil {
		return 0
	}
	number, started, ok := strings.Cut(strings.TrimSpace(string(content)), " ")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil || started == "" || startTime(pid) != started {
		return 0
	}
	return pid
}

// startTime is field 22 of proc_pid_stat(5), or empty when the process is gone or a zombie.
func startTime(pid int) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The program's name, field 2, may hold spaces and parentheses; nothing after it does.
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}
