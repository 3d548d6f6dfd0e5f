/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/status"
)

// failingKind fails at everything.
type failingKind struct{ err error }

func (k failingKind) newObject() *v1alpha1.Tenant { return &v1alpha1.Tenant{} }

func (k failingKind) attempt(_ context.Context, _ *v1alpha1.Tenant, report *status.Report) {
	report.Add(readFailed("The signing Secret", k.err))
}

func (k failingKind) retract(context.Context, *v1alpha1.Tenant) (string, error) { return "", k.err }

// deletedSince is the metadata of an object whose deletion waits for a finalizer.
func deletedSince(namespace, name string, at time.Time) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Finalizers: []string{v1alpha1.Finalizer}, DeletionTimestamp: &metav1.Time{Time: at}}
}

func TestFailuresOfANamespaceThatEndsAreQuiet(t *testing.T) {
	terminating := apierrors.NewForbidden(corev1.Resource("secrets"), "acme-saml-signing", errors.New("it is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	broken := errors.New("connection refused")
	living, leaving := metav1.ObjectMeta{Namespace: "n", Name: "acme"}, deletedSince("n", "acme", time.Now().Add(-time.Minute))
	for name, c := range map[string]struct {
		ends   bool
		object metav1.ObjectMeta
		err    error
		// again is when to look again; zero where the error is returned.
		again time.Duration
		// told and written say whether there is an event and a status.
		told, written bool
	}{
		"a failure elsewhere":                      {object: living, err: broken, told: true, written: true},
		"a deletion that fails elsewhere":          {object: leaving, err: broken, told: true, written: true},
		"refused before the cache knows":           {object: living, err: fmt.Errorf("make: %w", terminating), again: lastRetry},
		"refused":                                  {ends: true, object: living, err: terminating, again: lastRetry},
		"another failure":                          {ends: true, object: living, err: broken, again: lastRetry, written: true},
		"a deletion that fails":                    {ends: true, object: leaving, err: broken, again: time.Minute, written: true},
		"a deletion while the server is away":      {object: leaving, err: fmt.Errorf("%w: id", errServerAway), again: time.Minute, written: true},
		"a deletion while the server is away, too": {ends: true, object: leaving, err: errServerAway, again: time.Minute, written: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			scheme := runtime.NewScheme()
			g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
			g.Expect(corev1.AddToScheme(scheme)).To(Succeed())
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
			if c.ends {
				namespace.ObjectMeta = deletedSince("", "n", time.Now())
			}
			tenant := &v1alpha1.Tenant{ObjectMeta: c.object}
			cluster := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(tenant).WithObjects(namespace, tenant).Build()
			recorder := events.NewFakeRecorder(10)
			reconciler := &reconciler[*v1alpha1.Tenant]{client: cluster, events: recorder, kind: failingKind{c.err}}

			result, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(tenant)})
			if c.again == 0 {
				g.Expect(err).To(MatchError(c.err))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(result.RequeueAfter).To(BeNumerically("~", c.again, 10*time.Second))
			}
			g.Expect(len(recorder.Events) > 0).To(Equal(c.told))
			g.Expect(cluster.Get(t.Context(), client.ObjectKeyFromObject(tenant), tenant)).To(Succeed())
			g.Expect(len(tenant.Status.Conditions) > 0).To(Equal(c.written))
		})
	}
}

func TestDeletionWaitsDouble(t *testing.T) {
	g := NewWithT(t)
	object := &v1alpha1.Tenant{ObjectMeta: deletedSince("n", "acme", noon)}
	for after, wait := range map[time.Duration]time.Duration{
		0: firstRetry, time.Second: time.Second, 8 * time.Second: 8 * time.Second, time.Hour: lastRetry,
	} {
		g.Expect(deletionWait(object, noon.Add(after))).To(Equal(wait))
	}
	g.Expect(deletionWait(&v1alpha1.Tenant{}, noon)).To(Equal(lastRetry))
}

// unreachable is a server whose pods or database are gone.
type unreachable struct{ admin.Service }

func (unreachable) Digests(context.Context, admin.Key, int) ([]admin.KeyDigest, error) {
	return nil, errors.New("connection refused")
}

// idleLauncher runs nothing.
type idleLauncher struct{ Launcher }

func (idleLauncher) Stop(context.Context, types.NamespacedName) error { return nil }

// TestServerIsLetGoWithItsNamespace: pods and database may be deleted before the IdentityServer.
func TestServerIsLetGoWithItsNamespace(t *testing.T) {
	scheme := runtime.NewScheme()
	NewWithT(t).Expect(corev1.AddToScheme(scheme)).To(Succeed())
	NewWithT(t).Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	living, ending := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "living"}}, &corev1.Namespace{ObjectMeta: deletedSince("", "ending", noon)}
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(living, ending).Build()
	for _, c := range []struct {
		namespace string
		after     time.Duration
		letGo     bool
	}{{"ending", abandonAfter / 2, false}, {"ending", abandonAfter + time.Second, true}, {"living", time.Hour, false}} {
		t.Run(fmt.Sprintf("%s after %s", c.namespace, c.after), func(t *testing.T) {
			g := NewWithT(t)
			name := types.NamespacedName{Namespace: c.namespace, Name: "id"}
			wakers := newWakers()
			k := &identityServers{
				Client: cluster, servers: NewServers(), embedded: idleLauncher{}, deployed: idleLauncher{}, wakers: wakers,
				follow: &follower{Client: cluster, wakers: wakers}, clock: func() time.Time { return noon.Add(c.after) },
			}
			k.servers.set(t.Context(), name, unreachable{}, "https://id.example", func(context.Context, *Server) {})
			note, err := k.retract(t.Context(), &v1alpha1.IdentityServer{ObjectMeta: deletedSince(c.namespace, "id", noon)})
			if c.letGo {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(note).To(ContainSubstring("its namespace is being deleted"))
				g.Expect(k.servers.Get(name)).To(BeNil())
			} else {
				g.Expect(err).To(MatchError("connection refused"))
				g.Expect(k.servers.Get(name)).NotTo(BeNil())
			}
		})
	}
}
