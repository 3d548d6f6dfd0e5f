/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command bench measures Tegata against the floor of what it does, each pair in
// the same run on the same machine, and prints the ratios. It asserts nothing:
// the figures are for people.
//
//	(a) signed SAML responses against the bare signatures they contain, and what they allocate
//	(b) members from apply to Ready against the same number of raw API writes
//	(c) a password log-in against the bare hash
//	(d) resident memory of the operator with its embedded IdP at 10,000 members
//	(e) a bulk load of 10,000 accounts against what the target's budget dictates, and leavers meanwhile
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	only := flag.String("only", "abcde", "which parts to run; d runs with b")
	members := flag.Int("members", 5000, "how many members part b applies")
	resident := flag.Int("resident", 10000, "how many members part d holds")
	bulk := flag.Int("bulk", 10000, "how many members get accounts in part e")
	writes := flag.Int("writes", 125, "the budget of part e, in writes a second")
	operator := flag.String("operator", "bin/tegata-operator", "the operator's binary")
	profile := flag.String("cpuprofile", "", "file for a CPU profile of the whole run")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := profiled(*profile, func() error {
		if err := run(ctx, *only, *members, *resident, *operator); err != nil || !strings.Contains(*only, "e") {
			return err
		}
		return measureProvisioning(ctx, *bulk, *writes, *operator)
	}); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profiled runs body, with a CPU profile written to path unless that is empty.
func profiled(path string, body func() error) error {
	if path == "" {
		return body()
	}
	file, err := os.Create(path) // #nosec G304 -- the caller's own file
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = body()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

func run(ctx context.Context, only string, members, resident int, operator string) error {
	if strings.Contains(only, "a") {
		if err := measureResponses(ctx); err != nil {
			return err
		}
	}
	if strings.Contains(only, "c") {
		if err := measureLogIns(ctx); err != nil {
			return err
		}
	}
	if strings.ContainsAny(only, "bd") {
		return measureOperator(ctx, members, resident, operator)
	}
	return nil
}

// row prints one line of the result; an aim of 0 is none.
func row(part, what, figure, floor string, ratio, aim float64) {
	fmt.Printf("(%s) %-62s %10s   floor %10s   ratio %5.2f", part, what, figure, floor, ratio)
	if aim > 0 {
		fmt.Printf("   aim ≤ %.2f", aim)
	}
	fmt.Println()
}
