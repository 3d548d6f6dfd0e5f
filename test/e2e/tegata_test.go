//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	. "github.com/onsi/gomega"
)

// TestTegata is one installation's life. Its steps build on one another; those that do not run together.
func TestTegata(t *testing.T) {
	c := newCluster(t)
	summary.addImages()
	c.prepare()
	start := time.Now()
	server := c.install()
	summary.add("helm install and upgrade until the identity server is Ready", "%.1f s", time.Since(start).Seconds())
	forward(t, siteAddress, c.siteOf(server))
	startWiki(t)
	taro := c.applySamples()
	browser := c.logInByBrowser(taro)
	summary.add("helm install until a member is on the portal, in Chromium", "%.1f s", time.Since(start).Seconds())
	browser.do(chromedp.Navigate("http://" + wikiAddress + "/"))
	browser.shows("http://"+wikiAddress+"/", taro.Spec.Mail)
	c.reportMemory("idle", systemNamespace, idpPods)
	c.reportMemory("idle", systemNamespace, operatorPods)
	c.testRelease()

	p := c.newPlace("load", server, workers)
	p.awaitServing()
	t.Run("load", p.runPhases)

	browser.do(chromedp.Navigate(siteURL + "/account"))
	browser.shows(siteURL+"/account", taro.Spec.Mail)
	t.Run("beside", func(t *testing.T) {
		t.Run("volume", func(t *testing.T) {
			t.Parallel()
			c.in(t).restartOnVolume()
		})
		t.Run("mistakes", func(t *testing.T) {
			t.Parallel()
			c.in(t).makeMistakes()
		})
	})
	t.Run("scale", func(t *testing.T) { c.in(t).growTo(server, many) })
	c.Expect(t.Failed()).To(BeFalse(), "see above") // the installation stays, for its logs
	p.remove()
	c.uninstall()
	c.Expect(summary.phases).NotTo(BeEmpty())
}
