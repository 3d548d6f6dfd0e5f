/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"tegata.dev/tegata/internal/idp/store"
)

// command does one thing to a database file and ends. It is run in the pods,
// whose image holds no other program.
type command struct {
	name, purpose string
	run           func(ctx context.Context, path string, in io.Reader, out io.Writer) (store.Summary, error)
}

var commands = []command{
	{"backup", "Writes a consistent copy of a SQLite database to standard output, while the server goes on.",
		func(ctx context.Context, path string, _ io.Reader, out io.Writer) (store.Summary, error) {
			return store.BackupSQLite(ctx, path, out)
		}},
	{"restore", "Reads such a copy from standard input, checks it and makes it the database file, which must not exist yet.",
		func(ctx context.Context, path string, in io.Reader, _ io.Writer) (store.Summary, error) {
			return store.RestoreSQLite(ctx, path, in)
		}},
}

// runCommand runs the command that the first argument names; false where it names none.
func runCommand(ctx context.Context, arguments []string, environment func(string) (string, bool), in io.Reader, out, errOut io.Writer) (code int, found bool) {
	for _, c := range commands {
		if len(arguments) > 0 && arguments[0] == c.name {
			return c.main(ctx, arguments[1:], environment, in, out, errOut), true
		}
	}
	return 0, false
}

func (c command) main(ctx context.Context, arguments []string, environment func(string) (string, bool), in io.Reader, out, errOut io.Writer) int {
	path, err := c.parse(arguments, environment, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(errOut, "tegata-idp %s: %v\n", c.name, err)
		return exitUsage
	}
	summary, err := c.run(ctx, path, in, out)
	if err != nil {
		fmt.Fprintf(errOut, "tegata-idp %s: %v\n", c.name, err)
		return exitFailure
	}
	fmt.Fprintf(errOut, "%s of %d bytes done, sha256 %s\n", c.name, summary.Bytes, summary.SHA256)
	return 0
}

// parse returns the path of the database file.
func (c command) parse(arguments []string, environment func(string) (string, bool), errOut io.Writer) (string, error) {
	flags := flag.NewFlagSet("tegata-idp "+c.name, flag.ContinueOnError)
	path := flags.String("sqlite", "", "`file` of the SQLite database (required)")
	flags.SetOutput(io.Discard)
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(errOut, c.purpose)
			flags.SetOutput(errOut)
			flags.Usage()
		}
		return "", err
	}
	if flags.NArg() > 0 {
		return "", fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err := fromEnvironment(flags, environment); err != nil {
		return "", err
	}
	if *path == "" {
		return "", errors.New("--sqlite is required; a PostgreSQL database is copied by pg_dump")
	}
	return *path, nil
}
