/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command bench measures Tegata against the floor of what it does, each pair in
// the same run on the same machine, and prints the ratios. It asserts nothing:
// the figures are for people.
//
//	(a) signed SAML responses against the bare signatures they contain
//	(b) members from apply to Ready against the same number of raw API writes
//	(c) a password log-in against the bare hash
//	(d) resident memory of the operator with its embedded IdP at 10,000 members
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	only := flag.String("only", "abcd", "which parts to run; d runs with b")
	members := flag.Int("members", 5000, "how many members part b applies")
	resident := flag.Int("resident", 10000, "how many members part d holds")
	operator := flag.String("operator", "bin/tegata-operator", "the operator's binary")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *members, *resident, *operator); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, members, resident int, operator string) error {
	if strings.Contains(only, "a") || strings.Contains(only, "c") {
		if err := measureIdP(ctx, strings.Contains(only, "a"), strings.Contains(only, "c")); err != nil {
			return err
		}
	}
	if strings.ContainsAny(only, "bd") {
		return measureOperator(ctx, members, resident, operator)
	}
	return nil
}

// row prints one line of the result.
func row(part, what, figure, floor string, ratio, aim float64) {
	fmt.Printf("(%s) %-44s %14s   floor %14s   ratio %5.2f   aim ≤ %.2f\n", part, what, figure, floor, ratio, aim)
}
