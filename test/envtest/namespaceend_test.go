/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// end deletes the namespace. The API server takes nothing new in it from then
// on; no controller of namespaces runs here, so the test deletes what is in it.
func (p *place) end() {
	p.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace}}
	p.Expect(p.k8s.Delete(ctx, namespace)).To(Succeed())
	p.refresh(namespace)
	p.Expect(namespace.Status.Phase).To(Equal(corev1.NamespaceTerminating))
}

// empty deletes all objects of a kind.
func (p *place) empty(kind client.Object) {
	p.t.Helper()
	p.Expect(p.k8s.DeleteAllOf(ctx, kind, client.InNamespace(p.namespace))).To(Succeed())
}

// everyKindOfOurs in an order that is bad: what is referred to goes first.
var everyKindOfOurs = []client.Object{
	&v1alpha1.IdentityServer{}, &v1alpha1.Tenant{}, &v1alpha1.SAMLApp{}, &v1alpha1.LinkApp{}, &v1alpha1.Group{}, &v1alpha1.Member{},
}

func TestNamespaceEndsQuietly(t *testing.T) {
	for name, order := range map[string][]int{
		"server first": {0, 1, 2, 3, 4, 5}, "server last": {5, 4, 3, 2, 1, 0}, "tenant first": {1, 5, 0, 2, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			p := newNamespace(t)
			server, rest := p.all()
			before := len(complaints.about(p.namespace))
			p.end()
			p.empty(&corev1.Secret{})
			// The signing key is made again where it is gone: not now.
			p.Eventually(func() int { return refusals("/api/v1/namespaces/" + p.namespace + "/secrets") }, patience, glance).Should(BeNumerically(">", 0))
			p.Consistently(func() int { return refusals("/api/v1/namespaces/" + p.namespace + "/secrets") }, 2*time.Second, glance).
				Should(BeNumerically("<", 4), "it is not tried again and again")
			for _, i := range order {
				p.empty(everyKindOfOurs[i])
			}
			p.gone(append(rest, server)...)
			p.Expect(complaints.about(p.namespace)[before:]).To(BeEmpty())
			p.Expect(refusals("/apis/events.k8s.io/v1/namespaces/" + p.namespace + "/events")).To(BeZero())
		})
	}
}

// TestNamespaceOfPodsEndsQuietly deletes first what the operator would make again.
func TestNamespaceOfPodsEndsQuietly(t *testing.T) {
	p := newNamespace(t)
	server, tenant, member := p.deployedServer(), p.tenant(), p.member("yamada", temporary)
	p.create(server, tenant, member)
	p.waiting(server, v1alpha1.RollingOutReason)
	p.runPod(&appsv1.Deployment{ObjectMeta: p.meta("id-idp")})
	p.current(server, tenant, member)
	before := len(complaints.about(p.namespace))
	p.end()
	p.empty(&appsv1.Deployment{})
	p.empty(&corev1.Secret{})
	path := "/apis/apps/v1/namespaces/" + p.namespace + "/deployments/id-idp"
	p.Eventually(func() int {
		return refusals(path) + refusals("/api/v1/namespaces/"+p.namespace+"/secrets") + refusals("/api/v1/namespaces/"+p.namespace+"/secrets/id-idp-admin-server")
	}, patience, glance).Should(BeNumerically(">", 0))
	for _, kind := range everyKindOfOurs {
		p.empty(kind)
	}
	p.gone(server, tenant, member)
	p.Expect(complaints.about(p.namespace)[before:]).To(BeEmpty())
}
