/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command tegata-idp is the identity provider server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // members' time zones are known wherever this runs

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tegata.dev/tegata/internal/admin"
)

// version is set by the linker.
var version = "dev"

// The exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, done := runCommand(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, os.Stderr)
	if !done {
		code = run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	}
	stop()
	os.Exit(code)
}

func run(ctx context.Context, arguments []string, environment func(string) (string, bool), out, errOut io.Writer) int {
	c, err := parse(arguments, environment, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(errOut, "tegata-idp: %v\n", err)
		return exitUsage
	case c.version:
		fmt.Fprintln(out, "tegata-idp", version)
		return 0
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(errOut, &slog.HandlerOptions{Level: c.level}))
	if err := serve(ctx, c, log); err != nil {
		log.Error(err, "Stopped by an error")
		return exitFailure
	}
	return 0
}

func serve(ctx context.Context, c *configuration, log logr.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c.options.Version, c.options.Log, c.options.Registerer = version, log, registry
	log.Info("Starting", "version", version)
	socket, err := c.listenSite(ctx, log)
	if err != nil {
		return err
	}
	// Closed by the server too, once it runs.
	defer func() { _ = socket.Close() }()
	meanwhile, operator := newWaiting(log), &replaceable{}
	operator.set(admin.NewUnavailableHandler(meanwhile.why))
	stopSides, err := c.listenSides(ctx, operator, registry, log)
	if err != nil {
		return err
	}
	defer stopSides()

	takeBack := lend(socket, meanwhile, log)
	c.options.Listener = socket
	server, err := meanwhile.open(ctx, c.options)
	if err := errors.Join(err, takeBack()); err != nil {
		if ctx.Err() != nil {
			log.Info("Stopped before the database was open")
			return nil
		}
		return err
	}
	operator.set(admin.NewHandler(server.Admin()))
	return server.Run(ctx)
}
