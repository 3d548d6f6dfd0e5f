/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// serverAt declares a place's IdentityServer with another's address, written
// differently, and a port of its own.
func (p *place) serverAt(address string) *v1alpha1.IdentityServer {
	server := p.identityServer()
	server.Spec.ExternalURL = address
	return server
}

func TestOneAddressBelongsToOneServer(t *testing.T) {
	holder, other := newNamespace(t), newNamespace(t)
	// No certificate is needed: TLS ends in front.
	holder.create(holder.serverAt("https://" + holder.namespace + ".example"))
	first := holder.identityServer()
	holder.current(first)
	holder.Expect(first.Status.ExternalURL).To(Equal("https://" + holder.namespace + ".example"))

	second, tenant, member := other.serverAt("https://"+holder.namespace+".EXAMPLE:443"), other.tenant(), other.member("sato")
	other.create(second, tenant, member)
	message := other.stalled(second, v1alpha1.ConflictReason)
	other.Expect(message).To(And(ContainSubstring("belongs to IdentityServer "+holder.namespace+"/id"), ContainSubstring("set another spec.externalURL")))
	accepted := meta.FindStatusCondition(second.Status.Conditions, v1alpha1.AcceptedCondition)
	other.Expect(accepted.Status).To(Equal(metav1.ConditionFalse))
	other.Expect(second.Finalizers).To(BeEmpty(), "it is not started")
	other.Expect(second.Status.ExternalURL).To(BeEmpty())
	other.Expect(httpGet(other.url + "/healthz")).To(BeZero())
	other.waiting(tenant, v1alpha1.IdentityServerNotReadyReason)
	other.waiting(member, v1alpha1.IdentityServerNotReadyReason)
	holder.current(first)
	holder.unchanged(first, 300*time.Millisecond)
	other.unchanged(second, 300*time.Millisecond)

	t.Run("another address lets it start", func(*testing.T) {
		other.change(second, func() { second.Spec.ExternalURL = other.url })
		other.current(second, tenant, member)
		other.Expect(tenant.Status.Issuer).To(HavePrefix(other.url))
	})
	t.Run("an edit into a conflict changes nothing that serves", func(*testing.T) {
		other.change(second, func() { second.Spec.ExternalURL = "https://" + holder.namespace + ".example" })
		other.Expect(other.stalled(second, v1alpha1.ConflictReason)).To(ContainSubstring("goes on serving " + other.url))
		other.Expect(second.Status.ExternalURL).To(Equal(other.url))
		other.current(tenant, member)
		other.Expect(tenant.Status.Issuer).To(HavePrefix(other.url))
		other.Expect(httpGet(tenant.Status.MetadataURL)).To(Equal(200))
		late := other.member("late")
		other.create(late)
		other.current(late)
		holder.current(first)
	})
	t.Run("what it goes on serving is its own", func(*testing.T) {
		third := newNamespace(t)
		server := third.serverAt(other.url)
		third.create(server)
		third.Expect(third.stalled(server, v1alpha1.ConflictReason)).To(ContainSubstring(other.namespace + "/id"))
		third.remove(server)
		third.gone(server)
	})
	t.Run("an older server does not take it from one that serves", func(*testing.T) {
		older := holder.identityServer()
		other.change(second, func() { second.Spec.ExternalURL = other.url })
		other.current(second)
		before := first.Spec.ExternalURL
		holder.change(older, func() { older.Spec.ExternalURL = other.url })
		holder.stalled(older, v1alpha1.ConflictReason)
		other.current(second)
		holder.change(older, func() { older.Spec.ExternalURL = before })
		holder.current(older)
	})
	t.Run("the holder's other address frees it at once", func(*testing.T) {
		other.change(second, func() { second.Spec.ExternalURL = first.Spec.ExternalURL })
		other.stalled(second, v1alpha1.ConflictReason)
		holder.change(first, func() { first.Spec.ExternalURL = holder.url })
		other.current(second)
		holder.current(first)
		other.Eventually(func() string { other.refresh(tenant); return tenant.Status.Issuer }, patience, glance).
			Should(HavePrefix("https://" + holder.namespace + ".example"))
	})
	t.Run("the holder's deletion frees it at once", func(*testing.T) {
		holder.change(first, func() { first.Spec.ExternalURL = second.Spec.ExternalURL })
		holder.stalled(first, v1alpha1.ConflictReason)
		other.remove(second)
		other.gone(second)
		holder.current(first)
	})
}

// TestServersMadeTogetherWithOneAddress makes many at once, none of which serves yet.
func TestServersMadeTogetherWithOneAddress(t *testing.T) {
	const together = 4
	var places []*place
	for range together {
		places = append(places, newNamespace(t))
	}
	address := "https://" + places[0].namespace + ".example"
	servers := make([]*v1alpha1.IdentityServer, together)
	for i, p := range places {
		servers[i] = p.serverAt(address)
		p.create(servers[i])
	}
	left := map[int]bool{0: true, 1: true, 2: true, 3: true}
	for len(left) > 0 {
		var holders []int
		places[0].Eventually(func(g Gomega) {
			holders = nil
			for i := range left {
				g.Expect(places[i].k8s.Get(ctx, client.ObjectKeyFromObject(servers[i]), servers[i])).To(Succeed())
				ready := meta.FindStatusCondition(servers[i].Status.Conditions, v1alpha1.ReadyCondition)
				if ready.Status == metav1.ConditionTrue {
					holders = append(holders, i)
				} else {
					g.Expect(ready.Reason).To(Equal(v1alpha1.ConflictReason), ready.Message)
				}
			}
			g.Expect(holders).To(HaveLen(1))
		}, patience, glance).Should(Succeed())
		places[holders[0]].remove(servers[holders[0]])
		places[holders[0]].gone(servers[holders[0]])
		delete(left, holders[0])
	}
}

// TestConflictOutlivesARestart starts another operator while a server waits for
// an address: what it served before, it serves again.
func TestConflictOutlivesARestart(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	data := t.TempDir()
	stop := startOperator(c.operator.Config(), data)
	t.Cleanup(func() { stop() })
	first, second := newNamespaceIn(t, c), newNamespaceIn(t, c)
	first.settle()
	second.settle()
	server := second.identityServer()
	second.change(server, func() { server.Spec.ExternalURL = first.url })
	second.stalled(server, v1alpha1.ConflictReason)
	stop()

	stop = startOperator(c.operator.Config(), data)
	member := second.member("sato")
	second.create(member)
	second.current(member, second.tenant())
	second.stalled(server, v1alpha1.ConflictReason)
	second.Expect(httpGet(second.url + "/saml/acme/metadata")).To(Equal(200))
	first.current(first.identityServer())
	second.remove(server)
	second.gone(server)
}
