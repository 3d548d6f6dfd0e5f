/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command demo runs Tegata on this machine: a control plane, the operator with
// the identity provider in it, a sample service provider and an inbox, with the
// company of config/samples. hack/demo.sh builds what it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	root := flag.String("root", ".", "the repository's `directory`")
	directory := flag.String("directory", ".demo", "`directory` for everything that the demo writes; emptied at start")
	assets := flag.String("assets", os.Getenv("KUBEBUILDER_ASSETS"), "`directory` of etcd, kube-apiserver and kubectl")
	operator := flag.String("operator", "bin/tegata-operator", "`path` of the operator")
	check := flag.Bool("check", false, "make the whole journey without a browser and stop")
	flag.Parse()
	log.SetLogger(logr.Discard())

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, *root, *directory, *assets, *operator, *check)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, directory, assets, operator string, check bool) (err error) {
	d, err := newDemo(root, directory, assets, operator)
	if err != nil {
		return err
	}
	defer func() {
		say("Stopping what the demo started")
		err = errors.Join(err, d.stop())
	}()
	switch err := d.start(ctx); {
	case ctx.Err() != nil:
		return interrupted(check)
	case err != nil:
		return err
	}
	if check {
		return d.check(ctx)
	}
	if err := d.explain(ctx); err != nil {
		return err
	}
	for {
		if err := d.pause(ctx, time.Second); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// interrupted is no failure for a person who has seen enough.
func interrupted(check bool) error {
	if check {
		return errors.New("interrupted")
	}
	return nil
}

var began = time.Now()

// say prints one line of progress.
func say(format string, args ...any) {
	fmt.Printf("[%3.0f s] %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}
