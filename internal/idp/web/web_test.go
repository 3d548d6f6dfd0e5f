/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/password"
)

var verb = regexp.MustCompile(`%[a-z]`)

func TestCataloguesAgree(t *testing.T) {
	g := NewWithT(t)
	texts, err := loadCatalogue()
	g.Expect(err).NotTo(HaveOccurred())
	for key, english := range texts["en"] {
		japanese, ok := texts["ja"][key]
		g.Expect(ok).To(BeTrue(), key)
		g.Expect(verb.FindAllString(japanese, -1)).To(Equal(verb.FindAllString(english, -1)), key)
	}
	g.Expect(texts["ja"]).To(HaveLen(len(texts["en"])))
}

// TestEveryTextIsThere looks up every key that templates and code name.
func TestEveryTextIsThere(t *testing.T) {
	g := NewWithT(t)
	texts, err := loadCatalogue()
	g.Expect(err).NotTo(HaveOccurred())
	keys := []string{"temporary.title", "temporary.lead", "link.title", "link.lead"}
	for _, key := range refusals {
		keys = append(keys, key)
	}
	for _, key := range notices {
		keys = append(keys, key)
	}
	for _, role := range []directory.Role{directory.RoleSuperAdmin, directory.RoleGroupCreator, directory.RoleStaff} {
		keys = append(keys, "role."+string(role))
	}
	for _, state := range logoutStates {
		keys = append(keys, "logout.state."+string(state))
	}
	for _, key := range []string{"notFound", "forgedForm", "badForm", "tooLarge", "internal", "unavailable", "linkGone", "busy", "unknownIssuer",
		"badRequest", "badLogout", "appGone", "appForbidden", "otherTenant", "noNameID"} {
		keys = append(keys, "problem."+key+".title", "problem."+key+".text")
	}
	used := regexp.MustCompile(`{{t "([^"]+)"`)
	g.Expect(fs.WalkDir(templateFiles, "templates", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := templateFiles.ReadFile(file)
		for _, match := range used.FindAllStringSubmatch(string(body), -1) {
			keys = append(keys, match[1])
		}
		return err
	})).To(Succeed())
	for _, key := range keys {
		g.Expect(texts["en"]).To(HaveKey(key))
	}
}

func TestExternalURL(t *testing.T) {
	for external, origin := range map[string]string{
		"https://id.example.com": "https://id.example.com", "https://id.example.com/": "https://id.example.com",
		"https://id.example.com:8443": "https://id.example.com:8443", "http://localhost:8080": "http://localhost:8080",
		"http://127.0.0.1:1": "http://127.0.0.1:1", "http://[::1]:1": "http://[::1]:1",
		"": "", "id.example.com": "", "ftp://id.example.com": "", "http://id.example.com": "", "https://id.example.com/idp": "",
		"https://user@id.example.com": "", "https://id.example.com?x": "",
	} {
		got, err := ParseExternalURL(external)
		if got != origin || (err == nil) != (origin != "") {
			t.Errorf("ParseExternalURL(%q) = %q, %v", external, got, err)
		}
	}
}

func TestClientAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"direct":                 {"192.0.2.1:5", nil, "192.0.2.1"},
		"direct with a claim":    {"192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		"by a proxy":             {"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		"by a proxy, claiming":   {"10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		"by two proxies":         {"10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		"by a proxy, broken":     {"10.0.0.1:5", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		"by a proxy, silent":     {"10.0.0.1:5", nil, "10.0.0.1"},
		"with a port":            {"10.0.0.1:5", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		"IPv6":                   {"[fd00::1%eth0]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv4 in IPv6":           {"[::ffff:10.0.0.1]:5", []string{"198.51.100.1"}, "198.51.100.1"},
		"only proxies all along": {"10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		site := &Site{Options: Options{TrustedProxies: proxies}}
		if got := site.clientAddress(r); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{
		"Wiki": "W", "travel desk": "TD", "経費精算": "経", "勤怠 管理": "勤", "Git Hosting Service": "GH", "Box 2": "B2", "": "", "Élan": "É", "Wiki 社内": "W",
	} {
		if got := initials(name); got != want {
			t.Errorf("initials(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	g := NewWithT(t)
	g.Expect(clean("a\x00b\xffc\r\nd", 100)).To(Equal("abcd"))
	g.Expect(clean(strings.Repeat("あ", 10), 10)).To(Equal("あああ"))
}

func TestMinutesRoundUp(t *testing.T) {
	g := NewWithT(t)
	g.Expect([]int{minutes(time.Second), minutes(time.Minute), minutes(61 * time.Second)}).To(Equal([]int{1, 1, 2}))
}

// bareSite has pages and no store.
func bareSite(t *testing.T) *Site {
	site, err := New(Options{ExternalURL: "http://localhost", Ready: func(context.Context) error { return errors.New("database is away") }})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return site
}

func TestPanicsAndBusyBecomePages(t *testing.T) {
	g := NewWithT(t)
	site := bareSite(t)
	registry := prometheus.NewRegistry()
	var err error
	site.Metrics, err = NewMetrics(registry)
	g.Expect(err).NotTo(HaveOccurred())
	answer := func(serve func(*visit) error) *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		site.observe(site.page(serve)).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
		return recorder
	}
	broken := answer(func(*visit) error { panic("secret detail") })
	g.Expect(broken.Code).To(Equal(http.StatusInternalServerError))
	g.Expect(broken.Body.String()).To(And(ContainSubstring(broken.Header().Get("X-Request-ID")), Not(ContainSubstring("secret"))))
	families, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	panics := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "tegata_idp_panics_total" })
	g.Expect(families[panics].GetMetric()[0].GetCounter().GetValue()).To(Equal(1.0))

	busy := answer(func(*visit) error {
		return fmt.Errorf("verify: %w", &password.BusyError{RetryAfter: 1500 * time.Millisecond})
	})
	g.Expect(busy.Code).To(Equal(http.StatusServiceUnavailable))
	g.Expect(busy.Header().Get("Retry-After")).To(Equal("2"))

	failed := answer(func(*visit) error { return errors.New("secret detail") })
	g.Expect(failed.Code).To(Equal(http.StatusInternalServerError))
	g.Expect(failed.Body.String()).NotTo(ContainSubstring("secret"))

	recorder := httptest.NewRecorder()
	site.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	g.Expect(recorder.Code).To(Equal(http.StatusServiceUnavailable))
	g.Expect(recorder.Body.String()).NotTo(ContainSubstring("database"))
}
