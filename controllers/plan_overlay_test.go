/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/status"
)

// belowOverlay has one ConfigMap and one Secret, and counts questions.
type belowOverlay struct {
	client.Reader
	asked int
}

func (b *belowOverlay) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	b.asked++
	if name.Name != "below" {
		return apierrors.NewNotFound(corev1.Resource("things"), name.Name)
	}
	into.SetNamespace(name.Namespace)
	into.SetName(name.Name)
	return nil
}

func emptyOverlay(t *testing.T, below client.Reader) *overlay {
	t.Helper()
	scheme := runtime.NewScheme()
	g := NewWithT(t)
	g.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	o, err := newOverlay(t.Context(), scheme, below, func() time.Time { return time.Unix(1_700_000_000, 0) })
	g.Expect(err).NotTo(HaveOccurred())
	return o
}

func overlayMember(namespace, name, tenant string, labels map[string]string) *v1alpha1.Member {
	return &v1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       v1alpha1.MemberSpec{TenantRef: v1alpha1.TenantReference{Name: tenant}, Mail: name + "@acme.example"},
	}
}

func TestOverlayLists(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	o := emptyOverlay(t, nil)
	for _, member := range []*v1alpha1.Member{
		overlayMember("b", "taro", "acme", nil), overlayMember("a", "taro", "acme", map[string]string{"team": "it"}), overlayMember("a", "hanako", "other", nil),
	} {
		g.Expect(o.put(member)).To(Succeed())
	}
	listed := func(options ...client.ListOption) []string {
		var names []string
		for _, name := range namesOf(ctx, o, &v1alpha1.MemberList{}, options...) {
			names = append(names, name.String())
		}
		return names
	}
	g.Expect(listed()).To(Equal([]string{"a/hanako", "a/taro", "b/taro"}))
	g.Expect(listed(client.InNamespace("a"))).To(Equal([]string{"a/hanako", "a/taro"}))
	g.Expect(listed(client.MatchingLabels{"team": "it"})).To(Equal([]string{"a/taro"}))
	g.Expect(listed(client.MatchingFields{byTenant: "acme"})).To(Equal([]string{"a/taro", "b/taro"}))
	g.Expect(listed(client.InNamespace("a"), client.MatchingFields{byMail: "taro@acme.example"})).To(Equal([]string{"a/taro"}))
	g.Expect(o.List(ctx, &v1alpha1.MemberList{}, client.MatchingFields{"unknown": "x"})).NotTo(Succeed())
	groups := &v1alpha1.GroupList{}
	g.Expect(o.List(ctx, groups)).To(Succeed())
	g.Expect(groups.Items).To(BeEmpty())

	// An index follows its object, and what was read is a copy.
	taro := &v1alpha1.Member{}
	g.Expect(o.Get(ctx, client.ObjectKey{Namespace: "a", Name: "taro"}, taro)).To(Succeed())
	taro.Spec.Mail = "t.yamada@acme.example"
	g.Expect(listed(client.MatchingFields{byMail: "taro@acme.example"})).To(HaveLen(2))
	g.Expect(o.Update(ctx, taro)).To(Succeed())
	g.Expect(listed(client.MatchingFields{byMail: "taro@acme.example"})).To(Equal([]string{"b/taro"}))
	g.Expect(listed(client.MatchingFields{byMail: "t.yamada@acme.example"})).To(Equal([]string{"a/taro"}))
	g.Expect(o.DeleteAllOf(ctx, &v1alpha1.Member{}, client.InNamespace("a"))).To(Succeed())
	g.Expect(listed()).To(Equal([]string{"b/taro"}))
}

func TestOverlayWrites(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	o := emptyOverlay(t, nil)
	member := overlayMember("a", "taro", "acme", nil)
	g.Expect(o.Create(ctx, member)).To(Succeed())
	g.Expect(member.UID).NotTo(BeEmpty())
	g.Expect(apierrors.IsAlreadyExists(o.Create(ctx, member.DeepCopy()))).To(BeTrue())

	// The helpers that controllers write with.
	g.Expect(ensureFinalizer(ctx, o, member)).To(Succeed())
	before, err := status.SnapshotOf(member)
	g.Expect(err).NotTo(HaveOccurred())
	member.Status.ID = "id"
	written, err := before.Patch(ctx, o, member)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(written).To(BeTrue())
	found := &v1alpha1.Member{}
	g.Expect(o.Get(ctx, client.ObjectKeyFromObject(member), found)).To(Succeed())
	g.Expect(found.Status.ID).To(Equal("id"))
	g.Expect(found.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
	g.Expect(namesOf(ctx, o, &v1alpha1.MemberList{}, client.MatchingFields{byMemberID: "id"})).To(HaveLen(1))

	// What has a finalizer waits for it.
	g.Expect(o.Delete(ctx, found)).To(Succeed())
	g.Expect(o.Get(ctx, client.ObjectKeyFromObject(member), found)).To(Succeed())
	g.Expect(found.DeletionTimestamp.IsZero()).To(BeFalse())
	held := found.DeepCopy()
	controllerutil.RemoveFinalizer(found, v1alpha1.Finalizer)
	g.Expect(o.Patch(ctx, found, client.MergeFrom(held))).To(Succeed())
	g.Expect(apierrors.IsNotFound(o.Get(ctx, client.ObjectKeyFromObject(member), found))).To(BeTrue())
	g.Expect(apierrors.IsNotFound(o.Delete(ctx, member))).To(BeTrue())
	g.Expect(apierrors.IsNotFound(o.Update(ctx, member))).To(BeTrue())
}

func TestOverlayReadsBelow(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	below := &belowOverlay{}
	o := emptyOverlay(t, &rememberingReader{Reader: below, known: map[string]remembered{}})
	name := client.ObjectKey{Namespace: "a", Name: "below"}
	for range 3 {
		g.Expect(o.Get(ctx, name, &corev1.ConfigMap{})).To(Succeed())
		g.Expect(apierrors.IsNotFound(o.Get(ctx, client.ObjectKey{Namespace: "a", Name: "other"}, &corev1.ConfigMap{}))).To(BeTrue())
	}
	g.Expect(below.asked).To(Equal(2), "each thing is asked once")
	g.Expect(apierrors.IsNotFound(o.Get(ctx, name, &corev1.Secret{}))).To(BeTrue(), "no Secret is read by the way")
	g.Expect(apierrors.IsNotFound(o.Get(ctx, name, &v1alpha1.Member{}))).To(BeTrue(), "our kinds are in memory alone")
	g.Expect(secretsAround{o, below}.Get(ctx, name, &corev1.Secret{})).To(Succeed())
	g.Expect(o.put(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "below"}, Data: map[string]string{"ours": "x"}})).To(Succeed())
	found := &corev1.ConfigMap{}
	g.Expect(o.Get(ctx, name, found)).To(Succeed())
	g.Expect(found.Data).To(HaveKeyWithValue("ours", "x"), "what comes with the manifests goes first")
}
