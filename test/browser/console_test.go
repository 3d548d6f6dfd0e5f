/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// console collects what a browser complains about: errors, exceptions,
// violations of the content security policy, and files that are missing.
type console struct {
	mu         sync.Mutex
	complaints []string
}

// listen is called with every event of a tab.
func (c *console) listen(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// The status of a page is checked where the page is; other files are below.
		failedPage := e.Entry.Source == log.EntrySourceNetwork && strings.HasPrefix(e.Entry.Text, "Failed to load resource")
		if !failedPage && (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) {
			c.add("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		c.add("exception: %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		c.add("console.%s", e.Type)
	case *network.EventResponseReceived:
		if e.Type != network.ResourceTypeDocument && e.Response.Status >= 400 {
			c.add("status %d for %s", e.Response.Status, e.Response.URL)
		}
	}
}

func (c *console) add(format string, arguments ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complaints = append(c.complaints, fmt.Sprintf(format, arguments...))
}

func (c *console) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.complaints)
}
