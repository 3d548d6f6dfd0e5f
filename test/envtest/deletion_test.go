/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"tegata.dev/tegata/api/v1alpha1"
)

// all makes one object of every kind, all live.
func (p *place) all() (server *v1alpha1.IdentityServer, rest []client.Object) {
	server = p.identityServer()
	tenant, member, group, app, link := p.tenant(), p.member("sato", temporary), p.group("sales", administrator("sato")), p.samlApp("wiki"), p.linkApp("handbook")
	p.create(server, tenant, member, group, app, link)
	p.current(server, tenant, member, group, app, link)
	return server, []client.Object{tenant, member, group, app, link}
}

func TestDeletionInAnyOrderEndsClean(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {1, 0, 2, 5, 4, 3}, {2, 4, 1, 3, 0, 5}} {
		p := newNamespace(t)
		server, rest := p.all()
		objects := append([]client.Object{server}, rest...)
		for _, i := range order {
			p.remove(objects[i])
		}
		p.gone(objects...)
	}
}

func TestDeletedTenantTakesItsMembersOffline(t *testing.T) {
	p := newPlace(t)
	member := p.member("sato", temporary)
	p.create(member)
	p.current(member)
	password := p.temporaryPassword(member)
	p.Expect(p.logIn(member.Spec.Mail, password)).To(Equal(forcedChange))

	tenant := p.tenant()
	id := member.Status.ID
	p.remove(tenant)
	p.gone(tenant)
	p.stalled(member, v1alpha1.ReferenceNotFoundReason)
	p.Expect(p.logIn(member.Spec.Mail, password)).To(Equal(refusedLogIn))

	// The same Git again gives everyone back.
	p.create(p.tenant())
	p.current(member)
	p.Expect(member.Status.ID).To(Equal(id))
}

func TestDeletionWhileTheServerCannotRun(t *testing.T) {
	p := newPlace(t)
	member := p.member("sato")
	p.create(member)
	p.current(member)
	server := p.identityServer()
	p.change(server, func() {
		server.Spec.Storage = &v1alpha1.Storage{Postgres: &v1alpha1.PostgresStorage{
			ConnectionSecretRef: v1alpha1.SecretKeyReference{Name: "missing", Key: "dsn"}}}
	})
	p.stalled(server, v1alpha1.ReferenceNotFoundReason)
	// The embedded server runs on with the last good configuration, so stop it for real.
	p.change(server, func() {
		server.Spec.Storage = nil
		server.Spec.Embedded.Listen = "203.0.113.1:1"
	})
	p.waiting(server, v1alpha1.StartFailedReason)
	p.waiting(member, v1alpha1.IdentityServerNotReadyReason)

	p.remove(member)
	p.waitingForDeletion(member)
	p.change(server, func() { server.Spec.Embedded.Listen = p.url[len("http://"):] })
	p.current(server)
	p.gone(member)
}

// TestFinalizerComesBack takes the finalizer as kubectl replace does.
func TestFinalizerComesBack(t *testing.T) {
	p := newNamespace(t)
	server, rest := p.all()
	for _, object := range append(rest, server) {
		p.change(object, func() { controllerutil.RemoveFinalizer(object, v1alpha1.Finalizer) })
		p.Eventually(func() []string { p.refresh(object); return object.GetFinalizers() }, patience, glance).Should(ContainElement(v1alpha1.Finalizer))
	}
}

func TestServerGoneReleasesWhatIsLeft(t *testing.T) {
	p := newNamespace(t)
	server, rest := p.all()
	// Somebody strips the finalizer: the server is gone without a word.
	p.change(server, func() { controllerutil.RemoveFinalizer(server, v1alpha1.Finalizer) })
	p.remove(server)
	p.gone(server)
	p.remove(rest...)
	p.gone(rest...)
}

func TestObjectsThatWereNeverLiveAreDeletedAtOnce(t *testing.T) {
	p := newNamespace(t)
	member := p.member("sato")
	p.create(member)
	p.stalled(member, v1alpha1.ReferenceNotFoundReason)
	p.Expect(member.Finalizers).To(BeEmpty())
	p.remove(member)
	p.gone(member)
}

func TestDeletionKeepsForeignFinalizers(t *testing.T) {
	p := newPlace(t)
	member := p.member("sato", func(m *v1alpha1.Member) { m.Finalizers = []string{"example.com/other"} })
	p.create(member)
	p.current(member)
	p.Expect(member.Finalizers).To(ConsistOf("example.com/other", v1alpha1.Finalizer))
	p.remove(member)
	p.Eventually(func() []string { p.refresh(member); return member.Finalizers }, patience, glance).Should(Equal([]string{"example.com/other"}))
	p.Expect(p.k8s.Patch(ctx, member, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
	p.gone(member)
}

// waitingForDeletion waits until the object says that it cannot be let go yet.
func (p *place) waitingForDeletion(member *v1alpha1.Member) {
	p.t.Helper()
	p.Eventually(func() bool {
		p.refresh(member)
		return slices.ContainsFunc(member.Status.Conditions, func(c metav1.Condition) bool { return c.Reason == v1alpha1.DeletionFailedReason })
	}, patience, glance).Should(BeTrue())
}
