/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/controllers"
)

func TestPrune(t *testing.T) {
	owner := sqlite().Deployment.Owner
	other := owner
	other.UID = "another"
	place := func(owners ...metav1.OwnerReference) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "acme", Name: "id-idp", OwnerReferences: owners, UID: "its"}
	}
	for name, test := range map[string]struct {
		owners []metav1.OwnerReference
		config func() controllers.ServerConfig
		stays  bool
	}{
		"ours":             {[]metav1.OwnerReference{owner}, sqlite, false},
		"ours, declared":   {[]metav1.OwnerReference{owner}, everything, true},
		"nobody's":         {nil, sqlite, true},
		"a former owner's": {[]metav1.OwnerReference{other}, sqlite, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			clock := now
			objects := []client.Object{&policyv1.PodDisruptionBudget{ObjectMeta: place(test.owners...)}, &networkingv1.Ingress{ObjectMeta: place(test.owners...)}}
			l := launcher(t, &clock, objects...)
			g.Expect(l.prune(t.Context(), server, test.config())).To(Succeed())
			for _, object := range objects {
				err := l.client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
				g.Expect(apierrors.IsNotFound(err)).To(Equal(!test.stays), "%T", object)
			}
			g.Expect(l.isPruned(server, "HTTPRoute")).To(Equal(name != "ours, declared"))
		})
	}
}

// everything declares every optional object.
func everything() controllers.ServerConfig {
	config := postgres()
	config.Deployment.Ingress = &controllers.IngressConfig{}
	config.Deployment.HTTPRoute = &controllers.HTTPRouteConfig{Parents: []controllers.RouteParent{{Name: "public"}}}
	return config
}

func TestPrunedAgainAfterItWasDeclared(t *testing.T) {
	g := NewWithT(t)
	clock := now
	l := launcher(t, &clock)
	g.Expect(l.prune(t.Context(), server, sqlite())).To(Succeed())
	g.Expect(l.prune(t.Context(), server, everything())).To(Succeed())
	made := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "id-idp", OwnerReferences: []metav1.OwnerReference{sqlite().Deployment.Owner}}}
	g.Expect(l.client.Create(t.Context(), made)).To(Succeed())
	g.Expect(l.prune(t.Context(), server, sqlite())).To(Succeed())
	g.Expect(apierrors.IsNotFound(l.client.Get(t.Context(), client.ObjectKeyFromObject(made), made))).To(BeTrue())
	g.Expect(l.Stop(t.Context(), server)).To(Succeed())
	g.Expect(l.pruned).To(BeEmpty())
}

func TestClaim(t *testing.T) {
	owner := sqlite().Deployment.Owner
	former := owner
	former.UID = "former"
	foreign := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "id", UID: "f", Controller: new(true)}
	for name, test := range map[string]struct {
		exists   bool
		owners   []metav1.OwnerReference
		conflict bool
		want     string
	}{
		"free":             {false, nil, false, ""},
		"ours":             {true, []metav1.OwnerReference{owner}, false, ""},
		"nobody's":         {true, nil, true, `Service "id-idp" exists in this namespace`},
		"somebody's":       {true, []metav1.OwnerReference{foreign}, true, `Service "id-idp" exists in this namespace`},
		"a former owner's": {true, []metav1.OwnerReference{former}, false, "was deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			clock := now
			var existing []client.Object
			if test.exists {
				existing = append(existing, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "id-idp", OwnerReferences: test.owners}})
			}
			l := launcher(t, &clock, existing...)
			err := l.claim(t.Context(), made(sqlite())["Service id-idp"].(*corev1.Service), owner)
			if test.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			if test.conflict {
				g.Expect(err).To(BeAssignableToTypeOf(&controllers.ConflictError{}))
			}
		})
	}
}

func TestEnsureLeavesWhatIsSomebodyElses(t *testing.T) {
	g := NewWithT(t)
	clock := now
	foreign := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "id-idp"}}
	l := launcher(t, &clock, foreign)
	config := sqlite()
	config.Deployment.Ingress = &controllers.IngressConfig{}
	_, err := l.Ensure(t.Context(), server, config)
	g.Expect(errors.As(err, new(*controllers.ConflictError))).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring(`Ingress "id-idp" exists in this namespace`)))
	g.Expect(l.client.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign)).To(Succeed())
	g.Expect(foreign.Spec.Rules).To(BeEmpty())
	g.Expect(l.client.Get(t.Context(), client.ObjectKeyFromObject(foreign), &corev1.Service{})).To(Succeed(), "the rest is made")
}

func TestNextLook(t *testing.T) {
	for name, test := range map[string]struct {
		serving controllers.Serving
		err     error
		want    time.Duration
	}{
		"as declared":          {controllers.Serving{}, nil, lookAgain},
		"an object in the way": {controllers.Serving{}, fmt.Errorf("apply: %w", &controllers.ConflictError{}), lookSoon},
		"no such kind":         {controllers.Serving{Unresolved: &controllers.Unresolved{}}, nil, lookSoon},
		"a silent Gateway":     {controllers.Serving{Remark: "Not taken yet."}, nil, lookSoon},
		"pods come up":         {controllers.Serving{Waiting: "Rolling out.", Remark: "Not taken yet."}, nil, lookOften},
	} {
		NewWithT(t).Expect(nextLook(test.serving, test.err)).To(Equal(test.want), name)
	}
}
