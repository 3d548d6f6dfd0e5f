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
)

const (
	// workers are the members who make the load.
	workers = 8
	// calm is how long the load goes on after a disturbance, for what comes of it.
	calm = 10 * time.Second
	// apiOutage and databaseOutage are how long each is away.
	apiOutage      = 2 * time.Minute
	databaseOutage = 8 * time.Second
)

// tolerance is what a disturbance may do to requests; wrong answers and lost sessions are never among it.
type tolerance int

const (
	failsNone tolerance = iota
	// failsSome lets requests fail that a killed process was working on or that reach its successor too early.
	failsSome
	// asksToComeAgain lets requests be answered with 503 and Retry-After, and no other failure.
	asksToComeAgain
)

// runPhases puts the place under load and disturbs it in every way, one after another.
func (p *place) runPhases(t *testing.T) {
	l := newLoad(p)
	first := l.browser(true)
	p.readMetadata(first.HTTP)
	for i, member := range p.members {
		browser := first
		if i > 0 {
			browser = l.browser(false)
		}
		p.choosePassword(browser, member)
	}
	l.signOn(t.Context(), first, p.members[0], true)
	l.signOn(t.Context(), first, p.members[0], false)
	setUp := l.current.Load()
	p.Expect(setUp.signOns.Load()).To(BeEquivalentTo(2), setUp.String())
	p.Expect(setUp.failed.Load()).To(BeZero(), setUp.String())

	stop := l.start()
	defer stop()
	disturb := func(name string, may tolerance, run func(p *place)) {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			p := p.in(t)
			counted := l.during(t, name, func() {
				run(p)
				wait(t, calm)
			})
			p.Expect(counted.requests.Load()).To(BeNumerically(">", 50), "there was no load")
			p.Expect(counted.kept.Load()).NotTo(BeZero(), "no connection was kept")
			p.Expect(counted.signOns.Load()).NotTo(BeZero())
			p.Expect(counted.wrong.Load()).To(BeZero(), "wrong answers")
			p.Expect(counted.lost.Load()).To(BeZero(), "lost sessions")
			if may != failsSome {
				p.Expect(counted.failed.Load()).To(BeZero(), "failed requests")
			}
			if may == failsNone {
				p.Expect(counted.unavailable.Load()).To(BeZero(), "requests asked to come again")
			}
		})
	}
	disturb("no disturbance", failsNone, func(*place) {})
	disturb("rolling restart", failsNone, (*place).restart)
	disturb("image upgrade", failsNone, (*place).upgradeImages)
	disturb("spec change", failsNone, (*place).changeTemplate)
	disturb("IdP process killed", failsSome, (*place).killProcess)
	disturb("IdP pod removed by force", failsSome, (*place).removePod)
	disturb("leading operator killed", failsNone, (*place).killLeader)
	disturb("API server away", failsNone, (*place).stopAPIServer)
	restarts := p.restarts()
	disturb("database restarted", asksToComeAgain, func(p *place) { p.database("restart") })
	disturb("database away", asksToComeAgain, (*place).stopDatabase)
	p.Expect(p.restarts()).To(Equal(restarts), "pods restarted because the database was away")
	p.in(t).awaitServing() // every status is as it was
	p.reportMemory("after load", systemNamespace, idpPods)
	p.reportMemory("after load", systemNamespace, operatorPods)
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
	p.kubectl("-n", p.server.Namespace, "rollout", "status", "deployment/id-idp", "--timeout=4m")
}

func (p *place) restart() {
	p.kubectl("-n", p.server.Namespace, "rollout", "restart", "deployment/id-idp")
	p.rollout()
}

// upgradeImages upgrades the release: the operator, and by it the identity server.
func (p *place) upgradeImages() {
	start := time.Now()
	p.upgrade(setImages(secondVersion)...)
	p.Eventually(func(g Gomega) {
		p.isReady(g, p.server)
		g.Expect(p.server.Status.Version).To(Equal(secondVersion))
	}, patience, glance).Should(Succeed())
	p.rollout()
	summary.add("helm upgrade to another version until it runs everywhere", "%.1f s", time.Since(start).Seconds())
	for _, pod := range append(p.pods(p.server.Namespace, idpPods), p.pods(systemNamespace, operatorPods)...) {
		if pod.DeletionTimestamp == nil {
			p.Expect(pod.Spec.Containers[0].Image).To(HaveSuffix(":"+secondVersion), pod.Name)
		}
	}
}

// changeTemplate changes the spec; the server is not Ready again before the roll-out is over.
func (p *place) changeTemplate() {
	p.upgrade("--set-json", `identityServer.spec.deployment.podTemplate={"metadata":{"annotations":{"e2e.example/change":"1"}}}`)
	p.awaitReady(p.server)
	p.rollout()
}

// restarts counts how often the identity server's containers were started again.
func (p *place) restarts() (all int32) {
	p.t.Helper()
	for _, pod := range p.pods(p.server.Namespace, idpPods) {
		for _, container := range pod.Status.ContainerStatuses {
			all += container.RestartCount
		}
	}
	return all
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
	p.Expect(p.k8s.Get(p.t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: operatorLease}, lease)).To(Succeed())
	p.Expect(lease.Spec.HolderIdentity).NotTo(BeNil())
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return name
}

// killLeader kills without a farewell, so that the lease must run out.
func (p *place) killLeader() {
	leader := p.leader()
	pod := &corev1.Pod{}
	p.Expect(p.k8s.Get(p.t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: leader}, pod)).To(Succeed())
	p.Expect(syscall.Kill(p.processOf(pod), syscall.SIGKILL)).To(Succeed())
	took := p.changeMember("03-6435-8571")
	p.Expect(p.leader()).NotTo(BeEmpty())
	summary.add("leading operator's death until a changed member is published", "%.1f s", took.Seconds())
	p.kubectl("-n", systemNamespace, "rollout", "status", "deployment/tegata-operator", "--timeout=4m")
}

func (p *place) killProcess() {
	pod := p.pods(p.server.Namespace, idpPods)[0]
	before := pod.Status.ContainerStatuses[0].RestartCount
	p.Expect(syscall.Kill(p.processOf(&pod), syscall.SIGKILL)).To(Succeed())
	p.Eventually(func(g Gomega) {
		g.Expect(p.k8s.Get(p.t.Context(), client.ObjectKeyFromObject(&pod), &pod)).To(Succeed())
		g.Expect(pod.Status.ContainerStatuses[0].RestartCount).To(Equal(before + 1))
	}, patience, glance).Should(Succeed())
	p.rollout()
}

func (p *place) removePod() {
	pod := p.pods(p.server.Namespace, idpPods)[0]
	p.Expect(p.k8s.Delete(p.t.Context(), &pod, client.GracePeriodSeconds(0))).To(Succeed())
	p.rollout()
}

func (p *place) stopAPIServer() {
	p.component("stop", "kube-apiserver")
	wait(p.t, apiOutage)
	p.component("start", "kube-apiserver")
	took := p.changeMember("03-6435-8572")
	summary.add("API server's return until a changed member is published", "%.1f s", took.Seconds())
}

// stopDatabase keeps the database away for a while.
func (p *place) stopDatabase() {
	p.database("stop")
	wait(p.t, databaseOutage)
	p.database("start")
}
