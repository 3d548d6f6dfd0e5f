/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"tegata.dev/tegata/controllers"
)

func parse(g *WithT, from pair) *x509.Certificate {
	loaded, err := tls.X509KeyPair(from.certificate, from.key)
	g.Expect(err).NotTo(HaveOccurred())
	return loaded.Leaf
}

// launcher has a clock that tests move.
func launcher(t *testing.T, clock *time.Time, existing ...client.Object) *Launcher {
	t.Helper()
	scheme := runtime.NewScheme()
	NewWithT(t).Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(existing...).WithStatusSubresource(&appsv1.Deployment{}).Build()
	return NewLauncher(c, c, Options{Image: "tegata-idp:1", Version: "1", Now: func() time.Time { return *clock }})
}

func TestTrustIsKeptAndRenewed(t *testing.T) {
	g := NewWithT(t)
	clock := now
	l := launcher(t, &clock)
	ensure := func() *trust {
		secured, err := l.ensureTrust(t.Context(), server, sqlite().Deployment.Owner)
		g.Expect(err).NotTo(HaveOccurred())
		return secured
	}
	first := ensure()
	g.Expect(ensure().same(first)).To(BeTrue(), "an operator that restarts finds its own")
	one := l.connect(server, "https://10.0.0.1:8443", "a", first)
	g.Expect(l.connect(server, "https://10.0.0.1:8443", "a", ensure())).To(BeIdenticalTo(one))
	g.Expect(l.connect(server, "https://10.0.0.1:8443", "", first)).To(BeIdenticalTo(one), "while versions are mixed")
	next := l.connect(server, "https://10.0.0.1:8443", "b", first)
	g.Expect(next).NotTo(BeIdenticalTo(one), "another version")
	g.Expect(l.known(server).Service).To(BeIdenticalTo(next.service))

	clock = now.Add(60 * 24 * time.Hour)
	renewed := ensure()
	g.Expect(renewed.same(first)).To(BeFalse())
	g.Expect(renewed.servers.Equal(first.servers)).To(BeTrue(), "the authority stays")
	g.Expect(l.connect(server, "https://10.0.0.1:8443", "b", renewed)).NotTo(BeIdenticalTo(next))

	own := secretOf(t, l, clientSecretName("id"))
	g.Expect(own.Data).To(HaveKey(authorityKey))
	g.Expect(secretOf(t, l, serverSecretName("id")).Data).NotTo(HaveKey(authorityKey))
	g.Expect(l.client.Delete(t.Context(), own)).To(Succeed())
	g.Expect(ensure().servers.Equal(first.servers)).To(BeFalse(), "a deleted authority is replaced")

	clock = now.Add(authorityLifetime)
	g.Expect(ensure().same(renewed)).To(BeFalse(), "an authority that runs out is replaced")
	g.Expect(l.Stop(t.Context(), server)).To(Succeed())
	g.Expect(l.known(server).Service).To(BeNil())
}

func secretOf(t *testing.T, l *Launcher, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	NewWithT(t).Expect(l.client.Get(t.Context(), client.ObjectKey{Namespace: server.Namespace, Name: name}, secret)).To(Succeed())
	return secret
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	owner := sqlite().Deployment.Owner
	for name, test := range map[string]struct {
		owners []metav1.OwnerReference
		data   map[string][]byte
		want   string
	}{
		"garbage":   {[]metav1.OwnerReference{owner}, map[string][]byte{authorityCertificate: []byte("no certificate"), authorityKey: []byte("key-material")}, "delete it and a new one is made"},
		"no key":    {[]metav1.OwnerReference{owner}, map[string][]byte{authorityCertificate: []byte("no certificate")}, ""},
		"another's": {nil, map[string][]byte{authorityKey: []byte("key-material")}, "belongs to something else"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			clock := now
			l := launcher(t, &clock, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: clientSecretName("id"), OwnerReferences: test.owners}, Data: test.data})
			_, err := l.ensureTrust(t.Context(), server, owner)
			if test.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(And(ContainSubstring(clientSecretName("id")), ContainSubstring(test.want))))
			g.Expect(err.Error()).NotTo(ContainSubstring("key-material"))
		})
	}
}

func TestOverlay(t *testing.T) {
	for patch, want := range map[string]string{
		`{"spec":{"nodeSelector":{"a":"b"}}}`:  "",
		`{"spec":"nonsense"}`:                  "podTemplate",
		`[]`:                                   "podTemplate",
		`{"spec":{"priorityClasName":"high"}}`: `unknown field "priorityClasName"`,
		`{"spec":{"containers":[{"name":"idp","resources":{"limits":{"cpu":{}}}}]}}`: "podTemplate",
	} {
		t.Run(patch, func(t *testing.T) {
			g := NewWithT(t)
			template := made(sqlite())["Deployment id-idp"].(*appsv1.Deployment).Spec.Template
			before := template.DeepCopy()
			err := overlay(&template, []byte(patch))
			if want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(template.Spec.Containers).To(Equal(before.Spec.Containers))
				g.Expect(template.Spec.NodeSelector).To(HaveKeyWithValue("a", "b"))
				return
			}
			g.Expect(err).To(BeAssignableToTypeOf(&controllers.InvalidError{}), "nothing is tried again")
			g.Expect(err).To(MatchError(And(ContainSubstring("spec.deployment.podTemplate"), ContainSubstring(want))))
			g.Expect(&template).To(Equal(before))
		})
	}
}
