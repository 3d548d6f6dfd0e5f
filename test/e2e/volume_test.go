//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

func TestDeploymentOnVolume(t *testing.T) {
	c := newCluster(t)
	p := c.newPlace("e2e-volume", 1, &v1alpha1.Storage{SQLite: &v1alpha1.SQLiteStorage{}}, 1)
	p.awaitServing()
	l := newLoad(p)
	browser, member := p.browser(l), p.members[0]
	p.choosePassword(browser, member)
	p.readMetadata(l)
	p.reportMemory("idle on SQLite", p.namespace, idpPods)

	pod := p.pods(p.namespace, idpPods)[0]
	gone := time.Now()
	p.Expect(p.k8s.Delete(t.Context(), &pod)).To(Succeed())
	p.Eventually(func(g Gomega) {
		pods := p.pods(p.namespace, idpPods)
		g.Expect(pods).To(HaveLen(1))
		g.Expect(client.ObjectKeyFromObject(&pods[0])).NotTo(Equal(client.ObjectKeyFromObject(&pod)), "the deleted pod is still there")
	}, patience, glance).Should(Succeed())
	p.rollout()
	p.awaitReady(p.server)
	t.Logf("TIME from the pod's deletion to the next one serving: %.1f s", time.Since(gone).Seconds())

	page, err := browser.Get(t.Context(), siteURL+"/")
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(onPortal(page)).To(BeTrue(), "the session did not outlive the pod: %s", page.Text())
	l.signOn(t.Context(), browser, member, true)
	p.Expect(l.current.Load().signOns.Load()).To(BeEquivalentTo(1), l.current.Load().String())
}
