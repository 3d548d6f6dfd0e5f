/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package browser_test drives Chromium through the pages of a real IdP, as
// members do: in Japanese and in English, on a desktop and on a phone. Every
// page it comes by is checked for accessibility, in both colour schemes, and
// kept as a picture under test/output/browser.
package browser_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// updateImages has the pictures of the README made anew.
var updateImages = os.Getenv("TEGATA_UPDATE_IMAGES") == "1"

var errNoChromium = errors.New("chromium is not installed (Debian: apt-get install chromium)")

// chromium is one browser for all tests; each test gets a profile of its own in it.
var chromium = sync.OnceValues(startChromium)

var stopChromium = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopChromium()
	os.Exit(code)
}

func startChromium() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errNoChromium
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		// The pages are ours, and root cannot use the sandbox.
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
		// Keys pressed before a page is first painted are dropped otherwise.
		chromedp.Flag("allow-pre-commit-input", true),
		// Pictures must not differ by the machine's language.
		chromedp.Flag("lang", "en-US"),
	)
	ctx, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(ctx)
	stopChromium = func() {
		stopBrowser()
		stopAllocator()
	}
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return ctx, nil
}

// requireChromium is the browser's context. Without a browser the test is
// skipped, or fails where TEGATA_TEST_REQUIRE is 1.
func requireChromium(t *testing.T) context.Context {
	t.Helper()
	ctx, err := chromium()
	switch {
	case errors.Is(err, errNoChromium) && os.Getenv("TEGATA_TEST_REQUIRE") != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return ctx
}

// look is how a page is looked at.
type look struct {
	language      string
	device        string
	width, height int64
}

func (l look) phone() bool { return l.device == "phone" }

var looks = []look{
	{"ja", "desktop", 1280, 800},
	{"ja", "phone", 390, 844},
	{"en", "desktop", 1280, 800},
	{"en", "phone", 390, 844},
}

// inEveryLook runs a test in each language on each device, on an IdP of its own.
func inEveryLook(t *testing.T, test func(*world, *tab)) {
	for i, l := range looks {
		t.Run(l.language+"-"+l.device, func(t *testing.T) {
			browser := requireChromium(t)
			w := newWorld(t, l, strconv.Itoa(i))
			test(w, w.newTab(browser))
		})
	}
}

// once runs a test in the first look only, where language and device do not matter.
func once(t *testing.T, test func(*world, *tab)) {
	browser := requireChromium(t)
	w := newWorld(t, looks[0], "0")
	test(w, w.newTab(browser))
}
