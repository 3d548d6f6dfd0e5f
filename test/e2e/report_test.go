//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// summary is what a run measured, printed at its end.
var summary report

func TestMain(m *testing.M) {
	start := time.Now()
	code := m.Run()
	summary.add("time of the whole suite", "%.0f s", time.Since(start).Seconds())
	summary.print()
	os.Exit(code)
}

// report gathers what the closing table shows.
type report struct {
	mu     sync.Mutex
	phases []phase
	facts  [][2]string
}

// phase is what happened to the load while one thing was done to the system.
type phase struct {
	name     string
	duration time.Duration
	*counts
}

func (r *report) addPhase(p phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phases = append(r.phases, p)
}

// add notes something measured.
func (r *report) add(what, format string, arguments ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts = append(r.facts, [2]string{what, fmt.Sprintf(format, arguments...)})
}

// addImages notes how large the images are.
func (r *report) addImages() {
	for _, name := range []string{"tegata-idp", "tegata-operator"} {
		if stat, err := os.Stat(filepath.Join(images(secondVersion), name+".tar")); err == nil {
			r.add("image "+name, "%.1f MB", float64(stat.Size())/1e6)
		}
	}
}

func (r *report) print() {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Println("\nSUMMARY")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	row := func(cells ...any) { fmt.Fprintf(w, strings.Repeat("| %v\t", len(cells))+"|\n", cells...) }
	row("phase", "seconds", "requests", "on kept connections", "retried", "failed", "503 to come again", "wrong", "lost sessions", "log-ins", "sign-ons")
	row("---", "---", "---", "---", "---", "---", "---", "---", "---", "---", "---")
	for _, p := range r.phases {
		row(p.name, fmt.Sprintf("%.0f", p.duration.Seconds()), p.requests.Load(), p.kept.Load(), p.retried.Load(), p.failed.Load(), p.unavailable.Load(),
			p.wrong.Load(), p.lost.Load(), p.logIns.Load(), p.signOns.Load())
	}
	row()
	row("measured", "")
	row("---", "---")
	for _, fact := range r.facts {
		row(fact[0], fact[1])
	}
	// Standard output is all there is to tell it.
	_ = w.Flush()
}
