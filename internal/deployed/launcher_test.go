/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"testing/synctest"
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
	"tegata.dev/tegata/internal/admin"
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

// TestSilentServerHoldsNobody: the server takes connections and says nothing.
func TestSilentServerHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		clock := now
		l := launcher(t, &clock)
		l.options.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}
		secured, err := l.ensureTrust(t.Context(), server, sqlite().Deployment.Owner)
		g.Expect(err).NotTo(HaveOccurred())
		silent := l.connect(server, "https://10.0.0.1:8443", "a", secured)
		start := time.Now()
		_, err = silent.service.Apply(t.Context(), []admin.Change{{Key: admin.Key{Kind: admin.KindTenant, Tenant: "acme"}}})
		g.Expect(err).To(HaveOccurred())
		g.Expect(time.Since(start)).To(Equal(callTimeout), "of the bubble's own clock")
		silent.http.CloseIdleConnections()
	})
}

func secretOf(t *testing.T, l *Launcher, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	NewWithT(t).Expect(l.client.Get(t.Context(), client.ObjectKey{Namespace: server.Namespace, Name: name}, secret)).To(Succeed())
	return secret
}

// TestBrokenSecretsAreReplaced breaks what the operator made, in every way that
// a person or a clock may.
func TestBrokenSecretsAreReplaced(t *testing.T) {
	year := 365 * 24 * time.Hour
	stranger := func(t *testing.T) pair {
		signer, err := newAuthority("acme/id", now)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return signer.pair
	}
	for name, test := range map[string]struct {
		secret string
		change func(t *testing.T, data map[string][]byte)
		// after is when it is looked at again.
		after     time.Duration
		authority bool
	}{
		"server expired":        {serverSecretName("id"), nil, 91 * 24 * time.Hour, false},
		"server of another key": {serverSecretName("id"), func(t *testing.T, d map[string][]byte) { d["tls.key"] = stranger(t).key }, 0, false},
		"server of another authority": {serverSecretName("id"), func(t *testing.T, d map[string][]byte) {
			d["tls.crt"], d["tls.key"] = stranger(t).certificate, stranger(t).key
		}, 0, false},
		"server without certificate": {serverSecretName("id"), func(_ *testing.T, d map[string][]byte) { d["tls.crt"] = nil }, 0, false},
		"server without key":         {serverSecretName("id"), func(_ *testing.T, d map[string][]byte) { d["tls.key"] = nil }, 0, false},
		"server without authority":   {serverSecretName("id"), func(_ *testing.T, d map[string][]byte) { delete(d, authorityCertificate) }, 0, false},
		"server trusts another":      {serverSecretName("id"), func(t *testing.T, d map[string][]byte) { d[authorityCertificate] = stranger(t).certificate }, 0, false},
		"client without key":         {clientSecretName("id"), func(_ *testing.T, d map[string][]byte) { d["tls.key"] = nil }, 0, false},
		"authority without key":      {clientSecretName("id"), func(_ *testing.T, d map[string][]byte) { delete(d, authorityKey) }, 0, true},
		"authority of another key":   {clientSecretName("id"), func(t *testing.T, d map[string][]byte) { d[authorityKey] = stranger(t).key }, 0, true},
		"authority is garbage":       {clientSecretName("id"), func(_ *testing.T, d map[string][]byte) { d[authorityCertificate] = []byte("no certificate") }, 0, true},
		"clock was ahead":            {serverSecretName("id"), nil, -year, true},
		"clock jumps ahead":          {serverSecretName("id"), nil, year, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			clock := now
			l := launcher(t, &clock)
			ensure := func() *trust {
				secured, err := l.ensureTrust(t.Context(), server, sqlite().Deployment.Owner)
				g.Expect(err).NotTo(HaveOccurred())
				return secured
			}
			first := ensure()
			secret := secretOf(t, l, test.secret)
			if test.change != nil {
				test.change(t, secret.Data)
				g.Expect(l.client.Update(t.Context(), secret)).To(Succeed())
			}
			clock = now.Add(test.after)
			second := ensure()
			g.Expect(second.servers.Equal(first.servers)).To(Equal(!test.authority))
			g.Expect(ensure().same(second)).To(BeTrue(), "once is enough")
			shakeHands(g, l, second, clock)
			g.Expect(secretOf(t, l, serverSecretName("id")).Data).NotTo(HaveKey(authorityKey))
		})
	}
	t.Run("another's is left alone", func(t *testing.T) {
		g := NewWithT(t)
		clock := now
		l := launcher(t, &clock, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: clientSecretName("id")}})
		_, err := l.ensureTrust(t.Context(), server, sqlite().Deployment.Owner)
		g.Expect(err).To(MatchError(And(ContainSubstring(clientSecretName("id")), ContainSubstring("belongs to something else"))))
	})
}

// shakeHands has the operator connect to a pod that mounts the server's Secret.
func shakeHands(g *WithT, l *Launcher, secured *trust, at time.Time) {
	secret := &corev1.Secret{}
	g.Expect(l.client.Get(context.Background(), client.ObjectKey{Namespace: server.Namespace, Name: serverSecretName("id")}, secret)).To(Succeed())
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	g.Expect(err).NotTo(HaveOccurred())
	clients := x509.NewCertPool()
	g.Expect(clients.AppendCertsFromPEM(secret.Data[authorityCertificate])).To(BeTrue())
	serverSide := admin.ServerTLSConfig(func() (*tls.Certificate, error) { return &pair, nil }, clients)
	clientSide := secured.tlsConfig(adminHost(server))
	serverSide.Time, clientSide.Time = func() time.Time { return at }, func() time.Time { return at }
	here, there := net.Pipe()
	failed := make(chan error, 1)
	go func() { failed <- tls.Server(there, serverSide).HandshakeContext(context.Background()) }()
	g.Expect(tls.Client(here, clientSide).HandshakeContext(context.Background())).To(Succeed())
	g.Expect(<-failed).To(Succeed())
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
