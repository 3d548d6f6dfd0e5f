/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command kubectl-tegata is a plugin of kubectl: "kubectl tegata plan" tells what
// manifests would change before they are applied.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // members live in any time zone

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// version is set when a release is built.
var version = "dev"

// errChanges means that the plan has changes, where the caller asks to be told so
// by the exit code.
var errChanges = errors.New("there are changes")

// The exit codes.
const (
	exitError   = 1
	exitChanges = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
	stop()
	os.Exit(code)
}

// run carries out a command line and returns the exit code.
func run(ctx context.Context, arguments []string, streams genericiooptions.IOStreams) int {
	// What controllers would log of what is only tried out helps nobody.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	command := newCommand(streams)
	command.SetArgs(arguments)
	err := command.ExecuteContext(ctx)
	switch {
	case errors.Is(err, errChanges):
		return exitChanges
	case err != nil:
		_, _ = fmt.Fprintln(streams.ErrOut, "error:", err)
		return exitError
	}
	return 0
}

func newCommand(streams genericiooptions.IOStreams) *cobra.Command {
	command := &cobra.Command{
		Use: "kubectl-tegata", Short: "Work with Tegata's identities", Version: version,
		Annotations:  map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl tegata"},
		SilenceUsage: true, SilenceErrors: true,
	}
	command.SetIn(streams.In)
	command.SetOut(streams.Out)
	command.SetErr(streams.ErrOut)
	flags := genericclioptions.NewConfigFlags(true)
	flags.AddFlags(command.PersistentFlags())
	command.AddCommand(newPlanCommand(flags, streams))
	return command
}
