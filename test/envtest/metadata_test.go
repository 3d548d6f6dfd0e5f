/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	. "github.com/onsi/gomega"
	dsig "github.com/russellhaering/goxmldsig"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
)

// certificate is a new certificate, as base64 DER.
func certificate() string {
	pair := must(keypair.GenerateKeyPair("sp", time.Now().Add(-time.Hour), 24*time.Hour, nil))
	block, _ := pem.Decode(pair.Certificate)
	return strings.Join(strings.Split(strings.TrimSpace(string(pem.EncodeToMemory(block))), "\n")[1:], "\n")
}

// metadataOf is a service provider's document. Attributes are those of the root.
func metadataOf(name, attributes string, certificates ...string) string {
	keys := ""
	for _, text := range certificates {
		text, _, _ = strings.Cut(text, "-----END")
		keys += `<KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` + text +
			`</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>`
	}
	return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://%[1]s.example/saml" %[2]s>
<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="%[3]t">%[4]s
<AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://%[1]s.example/acs" index="0"/>
<AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://%[1]s.example/acs/default" index="1" isDefault="true"/>
</SPSSODescriptor></EntityDescriptor>`, name, attributes, keys != "", keys)
}

// signedBy signs a document with another implementation than ours.
func signedBy(pair admin.KeyPair, document string) string {
	parsed := etree.NewDocument()
	if err := parsed.ReadFromString(document); err != nil {
		panic(err)
	}
	signing := dsig.NewDefaultSigningContext(dsig.TLSCertKeyStore(must(tls.X509KeyPair(pair.Certificate, pair.PrivateKey))))
	signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	parsed.SetRoot(must(signing.SignEnveloped(parsed.Root())))
	return must(parsed.WriteToString())
}

// byMetadata is an app that metadata describes.
func (p *place) byMetadata(name string, metadata v1alpha1.ServiceProviderMetadata) *v1alpha1.SAMLApp {
	app := p.samlApp(name)
	app.Spec.ServiceProvider, app.Spec.Metadata = v1alpha1.ServiceProvider{}, &metadata
	return app
}

// website publishes a service provider's metadata.
type website struct {
	*httptest.Server
	mu                     sync.Mutex
	document               string
	answer                 http.HandlerFunc // instead of the document, where set
	requests, notModifieds int
}

func publish(t *testing.T, document string) *website {
	w := &website{document: document}
	w.Server = httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		w.mu.Lock()
		document, answer := w.document, w.answer
		w.requests++
		w.mu.Unlock()
		if answer != nil {
			answer(response, request)
			return
		}
		tag := fmt.Sprintf(`"%d"`, len(document))
		response.Header().Set("ETag", tag)
		if request.Header.Get("If-None-Match") == tag {
			w.mu.Lock()
			w.notModifieds++
			w.mu.Unlock()
			response.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = response.Write([]byte(document))
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *website) set(document string, answer http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.document, w.answer = document, answer
}

func (w *website) count() (requests, notModifieds int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests, w.notModifieds
}

// allowLoopback lets the operator fetch from this machine.
func (p *place) allowLoopback() {
	server := p.identityServer()
	p.change(server, func() {
		server.Spec.MetadataSources = &v1alpha1.MetadataSources{AllowedNetworks: []v1alpha1.CIDR{"127.0.0.0/8"}}
	})
}

// later moves the clock beyond the next refresh and has the app looked at.
func (p *place) later(app *v1alpha1.SAMLApp) {
	offset.Add(int64(30 * time.Hour))
	p.change(app, func() { app.Spec.DisplayName += "'" })
}

// metadataCurrent waits for the condition MetadataCurrent of an app that stays
// Ready, and returns its message.
func (p *place) metadataCurrent(app *v1alpha1.SAMLApp, status metav1.ConditionStatus, reason string) string {
	p.t.Helper()
	message := ""
	p.Eventually(func(g Gomega) {
		p.refresh(app)
		g.Expect(meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ReadyCondition)).To(BeTrue(), "%+v", app.Status.Conditions)
		condition := meta.FindStatusCondition(app.Status.Conditions, v1alpha1.MetadataCurrentCondition)
		g.Expect(condition).NotTo(BeNil())
		g.Expect(*condition).To(And(HaveField("Status", status), HaveField("Reason", reason), HaveField("ObservedGeneration", app.Generation)), condition.Message)
		message = condition.Message
	}, patience, glance).Should(Succeed())
	return message
}

// event waits for an event of the app and returns its note.
func (p *place) event(app *v1alpha1.SAMLApp, reason string) string {
	p.t.Helper()
	note := ""
	p.Eventually(func(g Gomega) {
		events := &eventsv1.EventList{}
		g.Expect(p.k8s.List(ctx, events, client.InNamespace(p.namespace))).To(Succeed())
		for _, event := range events.Items {
			if event.Regarding.Name == app.Name && event.Reason == reason {
				note = event.Note
			}
		}
		g.Expect(note).NotTo(BeEmpty())
	}, patience, glance).Should(Succeed())
	return note
}

func TestMetadataFromTheSpecAndFromAConfigMap(t *testing.T) {
	p := newPlace(t)
	key := certificate()
	inline := p.byMetadata("wiki", v1alpha1.ServiceProviderMetadata{Inline: metadataOf("wiki", "", key)})
	fromMap := p.byMetadata("crm", v1alpha1.ServiceProviderMetadata{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "crm", Key: "sp.xml"}})
	taken := p.byMetadata("copy", v1alpha1.ServiceProviderMetadata{Inline: metadataOf("wiki", "")})
	p.create(inline, fromMap)
	p.current(inline)
	p.Expect(*inline.Status.ServiceProvider).To(And(
		HaveField("EntityID", "https://wiki.example/saml"),
		HaveField("AssertionConsumerServices", []string{"https://wiki.example/acs/default", "https://wiki.example/acs"}),
		HaveField("RequestsSigned", HaveValue(BeTrue())),
		HaveField("Certificates", ConsistOf(And(HaveField("Use", "signing"), HaveField("Fingerprint", MatchRegexp("^([0-9A-F]{2}:){31}[0-9A-F]{2}$"))))),
	))
	p.metadataCurrent(inline, metav1.ConditionTrue, v1alpha1.MetadataCurrentReason)

	// Nobody takes over what another registration owns.
	p.create(taken)
	p.Expect(p.stalled(taken, v1alpha1.ConflictReason)).To(ContainSubstring("wiki"))

	p.Expect(p.stalled(fromMap, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring(`ConfigMap "crm" does not exist`))
	content := &corev1.ConfigMap{ObjectMeta: p.meta("crm"), Data: map[string]string{"other": "x"}}
	p.create(content)
	p.Expect(p.stalled(fromMap, v1alpha1.InvalidReferenceReason)).To(ContainSubstring(`has no key "sp.xml"`))
	p.change(content, func() { content.Data["sp.xml"] = metadataOf("crm", "") })
	p.current(fromMap)
	p.Expect(*fromMap.Status.ServiceProvider.RequestsSigned).To(BeFalse())

	// A bad update says so, and what was published stays.
	p.change(content, func() {
		content.Data["sp.xml"] = strings.Replace(content.Data["sp.xml"], "https://crm.example/acs", "javascript:alert(1)", 1)
	})
	p.Expect(p.stalled(fromMap, v1alpha1.InvalidReferenceReason)).To(ContainSubstring(`ConfigMap "crm", key "sp.xml": the metadata's AssertionConsumerService has a Location`))
	p.Expect(fromMap.Status.ServiceProvider.EntityID).To(Equal("https://crm.example/saml"))
	p.change(content, func() { content.Data["sp.xml"] = metadataOf("crm", "", key) })
	p.current(fromMap)
	p.Expect(p.event(fromMap, v1alpha1.CertificatesChangedReason)).To(MatchRegexp("changed: new signing ([0-9A-F]{2}:){31}[0-9A-F]{2}[.]$"))

	p.change(inline, func() { inline.Spec.Metadata.Inline = "<html/>" })
	p.Expect(p.stalled(inline, v1alpha1.InvalidSpecReason)).To(ContainSubstring("metadata.inline: the document is no SAML metadata"))
	p.change(inline, func() { inline.Spec.Metadata.TrustedCertificate = "-----BEGIN CERTIFICATE-----" })
	p.Expect(p.stalled(inline, v1alpha1.InvalidSpecReason)).To(ContainSubstring("metadata.trustedCertificate: the certificate is not PEM"))
	pinned := must(keypair.GenerateKeyPair("federation", time.Now(), time.Hour, nil))
	p.change(inline, func() {
		inline.Spec.Metadata.TrustedCertificate, inline.Spec.Metadata.Inline = string(pinned.Certificate), metadataOf("wiki", "")
	})
	p.Expect(p.stalled(inline, v1alpha1.InvalidSpecReason)).To(ContainSubstring("it is not signed"))
	p.change(inline, func() { inline.Spec.Metadata.Inline = signedBy(pinned, metadataOf("wiki", `ID="_m1"`, key)) })
	p.current(inline)
	p.change(inline, func() {
		inline.Spec.Metadata.Inline = strings.ReplaceAll(inline.Spec.Metadata.Inline, "https://wiki.example/acs", "https://evil.example/acs")
	})
	p.Expect(p.stalled(inline, v1alpha1.InvalidSpecReason)).To(ContainSubstring("changed after it was signed"))

	// From metadata to a declaration.
	declared := p.samlApp("wiki").Spec.ServiceProvider
	p.change(inline, func() { inline.Spec.Metadata, inline.Spec.ServiceProvider = nil, declared })
	p.current(inline)
	p.Expect(meta.FindStatusCondition(inline.Status.Conditions, v1alpha1.MetadataCurrentCondition)).To(BeNil())
	p.Expect(inline.Status.ServiceProvider.Metadata).To(BeNil())
	p.unchanged(inline, 300*time.Millisecond)
}

func TestMetadataThatExpiresWhileInUse(t *testing.T) {
	p := newPlace(t)
	t.Cleanup(func() { offset.Store(0) })
	until := now().Add(time.Hour).UTC().Format(time.RFC3339)
	app := p.byMetadata("wiki", v1alpha1.ServiceProviderMetadata{Inline: metadataOf("wiki", fmt.Sprintf("validUntil=%q", until))})
	p.create(app)
	p.current(app)
	p.later(app)
	p.Expect(p.metadataCurrent(app, metav1.ConditionFalse, v1alpha1.MetadataExpiredReason)).To(ContainSubstring("expired at " + until))
	p.Expect(p.event(app, v1alpha1.MetadataExpiredReason)).To(ContainSubstring("stays in use"))

	other := p.byMetadata("crm", v1alpha1.ServiceProviderMetadata{Inline: metadataOf("crm", fmt.Sprintf("validUntil=%q", until))})
	p.create(other)
	p.Expect(p.stalled(other, v1alpha1.InvalidSpecReason)).To(ContainSubstring("the metadata expired at " + until))
}

// TestMetadataByURL follows one service provider through all that can happen to it.
func TestMetadataByURL(t *testing.T) {
	p := newPlace(t)
	t.Cleanup(func() { offset.Store(0) })
	first, second := certificate(), certificate()
	site := publish(t, metadataOf("wiki", "", first))
	app := p.byMetadata("wiki", v1alpha1.ServiceProviderMetadata{URL: site.URL})
	p.create(app)

	// The IdentityServer does not allow this machine's network.
	p.Expect(p.waiting(app, v1alpha1.FetchFailedReason)).To(ContainSubstring("spec.metadataSources.allowedNetworks"))
	requests, _ := site.count()
	p.Expect(requests).To(BeZero())
	p.allowLoopback()
	p.current(app)
	p.metadataCurrent(app, metav1.ConditionTrue, v1alpha1.MetadataCurrentReason)
	fetchedAt := app.Status.ServiceProvider.Metadata.FetchedAt
	p.Expect(fetchedAt.Time).To(BeTemporally("~", time.Now(), time.Minute))
	cache := &corev1.ConfigMap{ObjectMeta: p.meta("wiki-saml-metadata")}
	p.refresh(cache)
	p.Expect(metav1.IsControlledBy(cache, app)).To(BeTrue())
	p.Expect(cache.Data["metadata.xml"]).To(Equal(metadataOf("wiki", "", first)))
	requests, _ = site.count()
	p.Expect(requests).To(Equal(1))
	p.unchanged(app, 300*time.Millisecond)

	// Unchanged.
	p.later(app)
	p.Eventually(func() time.Time { p.refresh(app); return app.Status.ServiceProvider.Metadata.FetchedAt.Time }, patience, glance).Should(BeTemporally(">", fetchedAt.Time))
	requests, notModified := site.count()
	p.Expect([]int{requests, notModified}).To(Equal([]int{2, 1}))

	// A new key beside the old one.
	before := app.Status.ServiceProvider.Certificates[0].Fingerprint
	site.set(metadataOf("wiki", "", first, second), nil)
	p.later(app)
	p.Eventually(func() int { p.refresh(app); return len(app.Status.ServiceProvider.Certificates) }, patience, glance).Should(Equal(2))
	p.Expect(p.event(app, v1alpha1.CertificatesChangedReason)).To(And(ContainSubstring(app.Status.ServiceProvider.Certificates[1].Fingerprint), Not(ContainSubstring(before))))
	digest := app.Status.ServiceProvider.Metadata.Digest

	// Bad updates, of every kind, leave the last good document in use.
	other := metadataOf("evil", "")
	for want, bad := range map[string]func(){
		"HTTP status 404":      func() { site.set("", http.NotFound) },
		"no SAML metadata":     func() { site.set("<html>maintenance</html>", nil) },
		"is larger than 512":   func() { site.set(metadataOf("wiki", "")+strings.Repeat(" ", 20<<20), nil) },
		"the metadata expired": func() { site.set(metadataOf("wiki", `validUntil="2020-01-01T00:00:00Z"`), nil) },
		"another entity ID":    func() { site.set(other, nil) },
		"not a public one": func() {
			site.set("", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://10.0.0.1/", http.StatusFound)
			})
		},
	} {
		bad()
		p.later(app)
		p.Eventually(func() string { return p.metadataCurrent(app, metav1.ConditionFalse, v1alpha1.FetchFailedReason) }, patience, glance).Should(ContainSubstring(want))
		p.Expect(app.Status.ServiceProvider.Metadata.Digest).To(Equal(digest))
		p.Expect(app.Status.ServiceProvider.EntityID).To(Equal("https://wiki.example/saml"))
		p.refresh(cache)
		p.Expect(cache.Data["metadata.xml"]).To(Equal(metadataOf("wiki", "", first, second)))
	}
	p.Expect(p.event(app, v1alpha1.FetchFailedReason)).To(ContainSubstring("The last good document stays in use"))
	site.set(metadataOf("wiki", "", first, second), nil)
	p.later(app)
	p.metadataCurrent(app, metav1.ConditionTrue, v1alpha1.MetadataCurrentReason)

	// What somebody else writes into the ConfigMap is not used.
	p.change(cache, func() { cache.Data["metadata.xml"] = other })
	p.Eventually(func() string { p.refresh(cache); return cache.Data["metadata.xml"] }, patience, glance).Should(Equal(metadataOf("wiki", "", first, second)))
	p.current(app)
	p.Expect(app.Status.ServiceProvider.EntityID).To(Equal("https://wiki.example/saml"))

	// Another entity ID is taken once the ConfigMap is deleted.
	site.set(other, nil)
	p.remove(cache)
	p.Eventually(func() string { p.refresh(app); return app.Status.ServiceProvider.EntityID }, patience, glance).Should(Equal("https://evil.example/saml"))
	p.current(app)

	// What nobody signed is no longer taken once a certificate is trusted.
	pinned := must(keypair.GenerateKeyPair("federation", time.Now(), time.Hour, nil))
	p.change(app, func() { app.Spec.Metadata.TrustedCertificate = string(pinned.Certificate) })
	p.Expect(p.waiting(app, v1alpha1.FetchFailedReason)).To(ContainSubstring("it is not signed"))
	site.set(signedBy(pinned, metadataOf("wiki", `ID="_m1"`)), nil)
	p.current(app)
	p.Expect(app.Status.ServiceProvider.EntityID).To(Equal("https://wiki.example/saml"))
}

// TestSlowMetadataDelaysNobody: more servers hang than there are workers.
func TestSlowMetadataDelaysNobody(t *testing.T) {
	p := newPlace(t)
	p.allowLoopback()
	ended := make(chan struct{})
	slow := publish(t, "")
	t.Cleanup(func() { close(ended) })
	slow.set("", func(http.ResponseWriter, *http.Request) { <-ended })
	var apps []*v1alpha1.SAMLApp
	for i := range 6 {
		apps = append(apps, p.byMetadata(fmt.Sprintf("slow%d", i), v1alpha1.ServiceProviderMetadata{URL: fmt.Sprintf("%s/%d", slow.URL, i)}))
		p.create(apps[i])
	}
	p.Eventually(func() int { requests, _ := slow.count(); return requests }, patience, glance).Should(Equal(6))
	fast := p.byMetadata("fast", v1alpha1.ServiceProviderMetadata{URL: publish(t, metadataOf("fast", "")).URL})
	p.create(fast)
	begun := time.Now()
	p.current(fast)
	p.Expect(time.Since(begun)).To(BeNumerically("<", 4*time.Second), "the slow ones take five")
	p.Expect(p.waiting(apps[0], v1alpha1.FetchFailedReason)).To(ContainSubstring("did not answer within"))
}

// TestMetadataOutlivesARestart: an operator that starts while the service
// provider is away uses the last good document.
func TestMetadataOutlivesARestart(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	t.Cleanup(func() { offset.Store(0) })
	data := t.TempDir()
	stop := startOperator(c.operator.Config(), data)
	t.Cleanup(func() { stop() })
	p := newNamespaceIn(t, c)
	p.settle()
	p.allowLoopback()
	site := publish(t, metadataOf("wiki", ""))
	app := p.byMetadata("wiki", v1alpha1.ServiceProviderMetadata{URL: site.URL})
	foreign := p.byMetadata("crm", v1alpha1.ServiceProviderMetadata{URL: publish(t, metadataOf("crm", "")).URL})
	taken := &corev1.ConfigMap{ObjectMeta: p.meta("crm-saml-metadata"), Data: map[string]string{"ours": "x"}}
	p.create(taken, app, foreign)
	p.current(app)
	p.Expect(p.stalled(foreign, v1alpha1.ConflictReason)).To(ContainSubstring(`ConfigMap "crm-saml-metadata"`))
	p.refresh(taken)
	p.Expect(taken.Data).To(Equal(map[string]string{"ours": "x"}))
	p.remove(taken)
	p.current(foreign)

	stop()
	site.Close()
	stop = startOperator(c.operator.Config(), data)
	p.later(app)
	p.Expect(p.metadataCurrent(app, metav1.ConditionFalse, v1alpha1.FetchFailedReason)).To(ContainSubstring("refused the connection"))
	p.Expect(app.Status.ServiceProvider.EntityID).To(Equal("https://wiki.example/saml"))
}
