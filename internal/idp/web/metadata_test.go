/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
)

func TestMetadataIsCacheable(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	ask := func(method, etag string) *page {
		request, err := http.NewRequest(method, b.resolve("/saml/acme/metadata"), nil)
		w.Expect(err).NotTo(HaveOccurred())
		if etag != "" {
			request.Header.Set("If-None-Match", etag)
		}
		return b.do(request)
	}
	first := ask(http.MethodGet, "")
	etag := first.header.Get("ETag")
	w.Expect(etag).To(MatchRegexp(`^"[\w-]{43}"$`))
	w.Expect(first.header.Get("Cache-Control")).To(Equal("public, max-age=300"))
	w.Expect(first.header).NotTo(HaveKey("Set-Cookie"))
	w.Expect(ask(http.MethodGet, "").body).To(Equal(first.body))

	same := ask(http.MethodGet, etag)
	w.Expect(same.status).To(Equal(http.StatusNotModified))
	w.Expect(same.body).To(BeEmpty())
	w.Expect(same.header.Get("ETag")).To(Equal(etag))
	head := ask(http.MethodHead, "")
	w.Expect(head.status).To(Equal(http.StatusOK))
	w.Expect(head.header.Get("Content-Type")).To(Equal("application/samlmetadata+xml"))

	key, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	next, err := keypair.Generate(keypair.ECDSAP256, "acme", w.clock.Now(), time.Hour, nil)
	w.Expect(err).NotTo(HaveOccurred())
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenantSlug}, Tenant: &admin.Tenant{
		Tenant:     directory.Tenant{Slug: tenantSlug, DisplayName: "Acme", TimeZone: "Asia/Tokyo", Language: "en", Plan: directory.PlanPlus},
		SigningKey: key, Certificates: [][]byte{next.Certificate},
	}})
	changed := ask(http.MethodGet, etag)
	w.Expect(changed.status).To(Equal(http.StatusOK))
	w.Expect(changed.header.Get("ETag")).NotTo(Equal(etag))
}
