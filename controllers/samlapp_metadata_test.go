/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/samlmetadata"
)

func TestRefreshInterval(t *testing.T) {
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		declared v1alpha1.Duration
		provider samlmetadata.ServiceProvider
		want     time.Duration
	}{
		"default":               {want: day},
		"declared":              {declared: "1h30m", want: 90 * time.Minute},
		"cacheDuration":         {provider: samlmetadata.ServiceProvider{CacheDuration: time.Hour}, want: time.Hour},
		"longer cacheDuration":  {provider: samlmetadata.ServiceProvider{CacheDuration: 100 * day}, want: day},
		"hasty cacheDuration":   {provider: samlmetadata.ServiceProvider{CacheDuration: time.Second}, want: time.Minute},
		"before it expires":     {provider: samlmetadata.ServiceProvider{ValidUntil: noon.Add(4 * time.Hour)}, want: 3 * time.Hour},
		"long before":           {provider: samlmetadata.ServiceProvider{ValidUntil: noon.Add(100 * day)}, want: day},
		"expired already":       {provider: samlmetadata.ServiceProvider{ValidUntil: noon.Add(-time.Hour)}, want: day},
		"expires in no time":    {provider: samlmetadata.ServiceProvider{ValidUntil: noon.Add(time.Second)}, want: time.Minute},
		"the shortest of three": {declared: "2h", provider: samlmetadata.ServiceProvider{CacheDuration: 3 * time.Hour, ValidUntil: noon.Add(time.Hour)}, want: 45 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			app := &v1alpha1.SAMLApp{Spec: v1alpha1.SAMLAppSpec{Metadata: &v1alpha1.ServiceProviderMetadata{RefreshInterval: test.declared}}}
			seen := map[time.Duration]bool{}
			for i := range 100 {
				app.UID = types.UID(fmt.Sprint("app", i))
				use := described{provider: &test.provider, fetchedAt: noon}
				got := refreshInterval(app, use)
				g.Expect(got).To(And(BeNumerically(">=", test.want*9/10), BeNumerically("<=", test.want*11/10)))
				g.Expect(refreshInterval(app, use)).To(Equal(got), "the same at every look")
				seen[got] = true
			}
			g.Expect(len(seen)).To(BeNumerically(">", 50), "apps are spread")
		})
	}
}

func TestRetryWait(t *testing.T) {
	g := NewWithT(t)
	g.Expect(retryWait(0, time.Hour)).To(Equal(time.Second))
	g.Expect(retryWait(5, time.Hour)).To(Equal(32 * time.Second))
	g.Expect(retryWait(1000, 24*time.Hour)).To(Equal(time.Hour))
	g.Expect(retryWait(1000, time.Minute)).To(Equal(time.Minute))
}

// fetching is a fetcher whose wake-ups can be waited for and whose clock stands.
func fetching(t *testing.T) (f *fetches, woken chan types.NamespacedName, moved *atomic.Int64) {
	t.Helper()
	woken, moved = make(chan types.NamespacedName, 100), &atomic.Int64{}
	clock := func() time.Time { return noon.Add(time.Duration(moved.Load())) }
	return newFetches(t.Context(), clock, func(name types.NamespacedName) { woken <- name }), woken, moved
}

func TestFetches(t *testing.T) {
	g := NewWithT(t)
	f, woken, moved := fetching(t)
	name := types.NamespacedName{Namespace: "acme", Name: "wiki"}
	err := errors.New("the server refused the connection")
	calls := atomic.Int32{}
	job := func(context.Context) (*fetchedDocument, error) {
		calls.Add(1)
		return &fetchedDocument{body: []byte("x")}, err
	}
	g.Expect(f.get(name, "a", time.Hour, job).running).To(BeTrue())
	g.Eventually(woken).Should(Receive(Equal(name)))
	state := f.get(name, "a", time.Hour, job)
	g.Expect(state.running).To(BeFalse())
	g.Expect(state.failure).To(Equal(err.Error()))
	g.Expect(state.retryAt).To(Equal(noon.Add(time.Second)))
	g.Expect(calls.Load()).To(BeEquivalentTo(1), "not before its time")

	// The failure is told of until a fetch succeeds.
	moved.Add(int64(time.Second))
	err = nil
	state = f.get(name, "a", time.Hour, job)
	g.Expect(state.running).To(BeTrue())
	g.Expect(state.failure).To(Equal("the server refused the connection"))
	g.Eventually(woken).Should(Receive())
	state = f.get(name, "a", time.Hour, job)
	g.Expect(state.failure).To(BeEmpty())
	g.Expect(state.fetched.at).To(Equal(noon.Add(time.Second)))
	g.Expect(calls.Load()).To(BeEquivalentTo(2))

	f.take(name, acceptance{digest: "d", at: noon})
	g.Expect(f.accepted(name, "a").digest).To(Equal("d"))
	g.Expect(f.accepted(name, "b")).To(BeZero(), "of another source nothing is known")
	g.Expect(f.get(name, "b", time.Hour, job).fetched).To(BeNil())
	g.Eventually(woken).Should(Receive())
	f.forget(name)
	g.Expect(f.accepted(name, "b")).To(BeZero())
}

// TestFetchesOfTheForgottenWakeNobody: nor does what was asked of another source.
func TestFetchesOfTheForgottenWakeNobody(t *testing.T) {
	g := NewWithT(t)
	f, woken, _ := fetching(t)
	name := types.NamespacedName{Name: "wiki"}
	hold, ended := make(chan struct{}), make(chan struct{}, 2)
	job := func(context.Context) (*fetchedDocument, error) {
		<-hold
		ended <- struct{}{}
		return &fetchedDocument{}, nil
	}
	f.get(name, "a", time.Hour, job)
	f.get(name, "b", time.Hour, job)
	f.forget(name)
	close(hold)
	g.Eventually(ended).Should(HaveLen(2))
	g.Consistently(woken, 50*time.Millisecond).ShouldNot(Receive())
}

func TestFetchesAreLimited(t *testing.T) {
	g := NewWithT(t)
	f, woken, _ := fetching(t)
	hold, running := make(chan struct{}), atomic.Int32{}
	for i := range 3 * concurrentFetches {
		f.get(types.NamespacedName{Name: fmt.Sprint(i)}, "a", time.Hour, func(context.Context) (*fetchedDocument, error) {
			running.Add(1)
			<-hold
			return &fetchedDocument{}, nil
		})
	}
	g.Eventually(running.Load).Should(BeEquivalentTo(concurrentFetches))
	g.Consistently(running.Load, 50*time.Millisecond).Should(BeEquivalentTo(concurrentFetches))
	close(hold)
	g.Eventually(woken).Should(HaveLen(3 * concurrentFetches))
}

func TestApplyMetadata(t *testing.T) {
	g := NewWithT(t)
	provider := &samlmetadata.ServiceProvider{
		EntityID: "urn:sp", AssertionConsumerServices: []directory.AssertionConsumerService{{URL: "https://sp.example/acs", Default: true}},
		Certificates:         []directory.ServiceProviderCertificate{{PEM: "x", Use: directory.CertificateEncryption}},
		SingleLogoutServices: []directory.SingleLogoutService{{Binding: directory.BindingHTTPPOST, URL: "https://sp.example/slo"}},
	}
	settings := directorySAML(v1alpha1.SAMLAppSpec{Metadata: &v1alpha1.ServiceProviderMetadata{AllowSHA1: new(true)}})
	applyMetadata(settings, provider)
	g.Expect(settings.EntityID).To(Equal("urn:sp"))
	g.Expect(settings.Requests.Signed).To(BeFalse())
	g.Expect(settings.SingleLogoutServices).To(BeEmpty(), "nothing verifies its messages")
	g.Expect(settings.Signing).To(Equal(directory.SignResponseAndAssertion))

	provider.Certificates[0].Use, provider.RequestsSigned = "", true
	applyMetadata(settings, provider)
	g.Expect(settings.SingleLogoutServices).To(HaveLen(1))
	g.Expect(settings.Requests).To(Equal(directory.RequestPolicy{Signed: true, AllowSHA1: true}))
	g.Expect(settings.Certificates).To(Equal(provider.Certificates))
}

func TestCertificatesNote(t *testing.T) {
	g := NewWithT(t)
	a, b := v1alpha1.ServiceProviderCertificateStatus{Use: "signing", Fingerprint: "AA"}, v1alpha1.ServiceProviderCertificateStatus{Fingerprint: "BB"}
	list := func(all ...v1alpha1.ServiceProviderCertificateStatus) []v1alpha1.ServiceProviderCertificateStatus {
		return all
	}
	g.Expect(certificatesNote(list(a, b), list(b, a))).To(BeEmpty())
	g.Expect(certificatesNote(list(a), list(b))).To(Equal("The service provider's certificates changed: new BB, gone signing AA."))
	g.Expect(certificatesNote(nil, list(a))).To(ContainSubstring("new signing AA"))
}
