//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	// workers are the members who make the load.
	workers = 8
	// calm is how long the load goes on after a disturbance, for what comes of it.
	calm = 10 * time.Second
	// outage is how long the API server is away.
	outage = time.Minute
)

func TestDeploymentOnPostgreSQL(t *testing.T) {
	c := newCluster(t)
	start := time.Now()
	p := c.newPlace("e2e-postgres", 2, &v1alpha1.Storage{Postgres: &v1alpha1.PostgresStorage{
		ConnectionSecretRef: v1alpha1.SecretKeyReference{Name: "database", Key: "url"},
	}}, workers)
	p.awaitServing()
	t.Logf("TIME from apply to everything Ready: %.1f s", time.Since(start).Seconds())
	l := newLoad(p)
	first := p.browser(l)
	p.choosePassword(first, p.members[0])
	t.Logf("TIME from apply to the first member on the portal: %.1f s", time.Since(start).Seconds())
	p.readMetadata(l)
	p.reportMemory("idle", p.namespace, idpPods)
	p.reportMemory("idle", operatorNamespace, operatorPods)
	for _, member := range p.members[1:] {
		p.choosePassword(p.browser(l), member)
	}
	l.signOn(t.Context(), first, p.members[0], true)
	l.signOn(t.Context(), first, p.members[0], false)
	setUp := l.current.Load()
	t.Logf("PHASE first log-ins: %s", setUp)
	p.Expect(setUp.signOns.Load()).To(BeEquivalentTo(2))
	p.Expect(setUp.failed.Load()).To(BeZero())

	stop := l.start()
	defer stop()
	disturb := func(name string, mayFail bool, run func(p *place)) {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			p := p.in(t)
			counted := l.phase(t, name, func() {
				run(p)
				wait(t, calm)
			})
			p.Expect(counted.requests.Load()).To(BeNumerically(">", 50), "there was no load")
			p.Expect(counted.signOns.Load()).NotTo(BeZero())
			p.Expect(counted.wrong.Load()).To(BeZero(), "wrong answers")
			p.Expect(counted.lost.Load()).To(BeZero(), "lost sessions")
			if !mayFail {
				p.Expect(counted.failed.Load()).To(BeZero(), "failed requests")
			}
		})
	}
	disturb("no disturbance", false, func(*place) {})
	disturb("rolling restart", false, (*place).restart)
	disturb("spec change rolls out", false, (*place).changeTemplate)
	disturb("leading operator killed", false, (*place).killLeader)
	disturb("IdP process killed", true, (*place).killProcess)
	disturb("IdP pod removed by force", true, (*place).removePod)
	disturb("API server away", false, (*place).stopAPIServer)
	p.reportMemory("after load", p.namespace, idpPods)
	p.reportMemory("after load", operatorNamespace, operatorPods)
}

// wait lets the load go on.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func (p *place) rollout() {
	p.t.Helper()
	p.kubectl("-n", p.namespace, "rollout", "status", "deployment/id-idp", "--timeout=150s")
}

func (p *place) restart() {
	p.kubectl("-n", p.namespace, "rollout", "restart", "deployment/id-idp")
	p.rollout()
}

// changeTemplate changes the spec, as a new image would; the server is not Ready again before the roll-out is over.
func (p *place) changeTemplate() {
	p.kubectl("-n", p.namespace, "patch", "identityserver", "id", "--type=merge",
		"-p", `{"spec":{"deployment":{"podTemplate":{"metadata":{"annotations":{"e2e.example/change":"1"}}}}}}`)
	p.awaitReady(p.server)
	p.rollout()
}

// changeMember changes a member and awaits that it is published; it returns how long that took.
func (p *place) changeMember(phone string) time.Duration {
	p.t.Helper()
	start, member := time.Now(), p.members[0]
	p.Eventually(func() error {
		if err := p.k8s.Get(p.t.Context(), client.ObjectKeyFromObject(member), member); err != nil {
			return err
		}
		member.Spec.Phone = phone
		return p.k8s.Update(p.t.Context(), member)
	}, patience, glance).Should(Succeed())
	p.awaitReady(member)
	return time.Since(start)
}

func (p *place) leader() string {
	p.t.Helper()
	lease := &coordinationv1.Lease{}
	p.Expect(p.k8s.Get(p.t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: operatorLease}, lease)).To(Succeed())
	p.Expect(lease.Spec.HolderIdentity).NotTo(BeNil())
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return name
}

// killLeader kills without a farewell, so that the lease must run out.
func (p *place) killLeader() {
	leader := p.leader()
	pod := &corev1.Pod{}
	p.Expect(p.k8s.Get(p.t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: leader}, pod)).To(Succeed())
	p.Expect(syscall.Kill(p.processOf(pod), syscall.SIGKILL)).To(Succeed())
	took := p.changeMember("03-6435-8571")
	p.t.Logf("TIME from the leading operator's death to a changed member published: %.1f s (led by %s, now by %s)", took.Seconds(), leader, p.leader())
	p.kubectl("-n", operatorNamespace, "rollout", "status", "deployment/tegata-operator", "--timeout=120s")
}

func (p *place) killProcess() {
	pod := p.pods(p.namespace, idpPods)[0]
	p.Expect(syscall.Kill(p.processOf(&pod), syscall.SIGKILL)).To(Succeed())
	p.Eventually(func(g Gomega) {
		g.Expect(p.k8s.Get(p.t.Context(), client.ObjectKeyFromObject(&pod), &pod)).To(Succeed())
		g.Expect(pod.Status.ContainerStatuses[0].RestartCount).To(BeEquivalentTo(1))
	}, patience, glance).Should(Succeed())
	p.rollout()
}

func (p *place) removePod() {
	pod := p.pods(p.namespace, idpPods)[0]
	p.Expect(p.k8s.Delete(p.t.Context(), &pod, client.GracePeriodSeconds(0))).To(Succeed())
	p.rollout()
}

func (p *place) stopAPIServer() {
	p.component("stop", "kube-apiserver")
	wait(p.t, outage)
	p.component("start", "kube-apiserver")
	took := p.changeMember("03-6435-8572")
	p.t.Logf("TIME from the API server's return to a changed member published: %.1f s", took.Seconds())
}
