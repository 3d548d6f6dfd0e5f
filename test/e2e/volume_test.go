//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// restartOnVolume deletes the pod of a server that keeps its database on a volume: a session must outlive it. Then it
// restores everything from a backup.
func (c *cluster) restartOnVolume() {
	p := c.newPlace("volume", &v1alpha1.IdentityServer{Spec: v1alpha1.IdentityServerSpec{
		ExternalURL: "http://127.0.0.1:18082", Deployment: &v1alpha1.DeployedServer{Replicas: 1},
		Storage: &v1alpha1.Storage{SQLite: &v1alpha1.SQLiteStorage{}},
	}}, 1)
	p.awaitServing()
	l := newLoad(p)
	browser, member := l.browser(false), p.members[0]
	p.choosePassword(browser, member)
	p.readMetadata(browser.HTTP)
	p.reportMemory("idle on SQLite", p.namespace, idpPods)

	pod := p.pods(p.namespace, idpPods)[0]
	gone := time.Now()
	p.Expect(p.k8s.Delete(p.t.Context(), &pod)).To(Succeed())
	p.Eventually(func(g Gomega) {
		pods := p.pods(p.namespace, idpPods)
		g.Expect(pods).To(HaveLen(1))
		g.Expect(client.ObjectKeyFromObject(&pods[0])).NotTo(Equal(client.ObjectKeyFromObject(&pod)), "the deleted pod is still there")
	}, patience, glance).Should(Succeed())
	p.rollout()
	p.awaitReady(p.server)
	summary.add("pod on a volume deleted until the next one serves", "%.1f s", time.Since(gone).Seconds())
	p.expectSession(l, browser, member)
	p.restoreVolume(l, browser, member)
}
