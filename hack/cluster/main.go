/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command cluster runs a real one-node Kubernetes on this machine in namespaces of its own: no container engine, no registry,
// and nothing that outlives it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The addresses of the cluster are a corner of the private network 10.0.0.0/8 that few use.
const (
	network        = "10.250.0.0/22" // all below
	hostAddress    = "10.250.0.1"    // this machine, as the cluster sees it
	nodeAddress    = "10.250.0.2"
	linkLength     = "/30"
	podNetwork     = "10.250.1.0/24"
	serviceNetwork = "10.250.2.0/24"
	apiService     = "10.250.2.1" // the first of serviceNetwork, always
	dnsAddress     = "10.250.2.10"
	hostInterface  = "tegata-cluster"
	nodeName       = "tegata"
	cgroup         = "k8s.io" // containerd's, since kubelet manages none
)

const usage = `usage:
  cluster up DIRECTORY --programs DIRECTORY... --images FILE...
  cluster down DIRECTORY
  cluster load DIRECTORY FILE...
  cluster stop|start DIRECTORY COMPONENT`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) < 2 {
		return errors.New(usage)
	}
	command, directory, rest := arguments[0], arguments[1], arguments[2:]
	switch {
	case command == "up":
		programs, images, err := parseUp(rest)
		if err != nil {
			return err
		}
		return up(ctx, directory, programs, images)
	case command == "down" && len(rest) == 0:
		return down(directory)
	case command == "load" && len(rest) > 0:
		for _, path := range rest {
			if err := load(ctx, directory, path); err != nil {
				return err
			}
		}
		return nil
	case (command == "stop" || command == "start") && len(rest) == 1:
		return control(ctx, directory, rest[0], command == "stop")
	case command == "node" && len(rest) == 0:
		return runNode(directory, os.Stdin)
	case command == "provision" && len(rest) == 1:
		return provision(ctx, directory, rest[0])
	default:
		return errors.New(usage)
	}
}

// parseUp reads --programs DIRECTORY... --images FILE...
func parseUp(arguments []string) (programs, images []string, err error) {
	var list *[]string
	for _, argument := range arguments {
		switch {
		case argument == "--programs":
			list = &programs
		case argument == "--images":
			list = &images
		case list == nil || strings.HasPrefix(argument, "-"):
			return nil, nil, errors.New(usage)
		default:
			*list = append(*list, argument)
		}
	}
	return programs, images, nil
}

// control stops a component, as a crash that lasts, or lets it run again, and returns when it is so.
func control(ctx context.Context, directory, name string, stop bool) error {
	if err := findComponent(name); err != nil {
		return err
	}
	if runningNode(directory) == 0 {
		return errors.New("the cluster is not up; run 'make cluster'")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	mark := filepath.Join(directory, "stopped", name)
	var err error
	if stop {
		err = os.WriteFile(mark, nil, 0o600)
	} else if err = os.Remove(mark); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	return await(ctx, name+" does not change", func() bool {
		_, err := os.Stat(filepath.Join(directory, "pids", name))
		return (err != nil) == stop
	})
}
