/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/web"
	"tegata.dev/tegata/internal/keypair"
)

const (
	tenantSlug     = "acme"
	hanako         = "hanako@acme.example"
	goodPassword   = "correct-Horse-42-stable"
	betterPassword = "paper-Lantern-77-river"
	spEntityID     = "https://wiki.example.com/metadata"
	spACS          = "https://wiki.example.com/acs"
)

// clock is time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tenantOwner declares the tenants here.
const tenantOwner = "default/acme-tenant"

// world is a site over a real store with a published tenant.
type world struct {
	*WithT
	t       *testing.T
	clock   *clock
	store   *store.Store
	server  *httptest.Server
	metrics *prometheus.Registry
}

// sharedKey is made once, as RSA keys take long.
var sharedKey = sync.OnceValues(func() (admin.KeyPair, error) {
	return keypair.GenerateKeyPair("acme", time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
})

func newWorld(t *testing.T) *world { return newWorldOver(t, (*httptest.Server).Start) }

func newWorldOver(t *testing.T, start func(*httptest.Server)) *world {
	w := &world{WithT: NewWithT(t), t: t, clock: &clock{now: time.Now()}, metrics: prometheus.NewRegistry()}
	var err error
	w.store, err = store.Open(t.Context(), store.Options{
		SQLitePath: filepath.Join(t.TempDir(), "idp.db"), Key: bytes.Repeat([]byte{7}, 32), Now: w.clock.Now, Log: testr.New(t),
	})
	w.Expect(err).NotTo(HaveOccurred())
	var site http.Handler
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { site.ServeHTTP(rw, r) }))
	start(w.server)
	t.Cleanup(func() {
		w.server.Close()
		w.Expect(w.store.Close()).To(Succeed())
	})
	metrics, err := web.NewMetrics(w.metrics)
	w.Expect(err).NotTo(HaveOccurred())
	site, err = web.New(web.Options{
		Store: w.store, Hasher: password.NewHasher(password.Options{Memory: 64, Time: 1}), ExternalURL: w.server.URL,
		Now: w.clock.Now, Metrics: metrics, Ready: w.store.Ping, Log: testr.New(t),
	})
	w.Expect(err).NotTo(HaveOccurred())
	key, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenantSlug}, Tenant: &admin.Tenant{
		Tenant: directory.Tenant{Slug: tenantSlug, DisplayName: "Acme 株式会社", TimeZone: "Asia/Tokyo", Language: "en", Plan: directory.PlanPlus,
			Attributes: []directory.AttributeDefinition{{Name: "employee", DisplayName: "Employee number", Unique: true}}},
		SigningKey: key,
	}})
	return w
}

func (w *world) apply(changes ...admin.Change) {
	w.t.Helper()
	for i := range changes {
		changes[i].Owner, changes[i].TenantOwner = "default/"+changes[i].Key.Name, tenantOwner
		if changes[i].Key.Kind == admin.KindTenant {
			changes[i].Owner, changes[i].TenantOwner = tenantOwner, ""
		}
	}
	results, err := w.store.Apply(context.Background(), changes)
	w.Expect(err).NotTo(HaveOccurred())
	for _, result := range results {
		w.Expect(result.Problem).To(BeNil())
	}
}

func member(name string, edit func(*admin.Member)) admin.Change {
	m := &admin.Member{Member: directory.Member{
		Tenant: tenantSlug, Name: name, Mail: name + "@acme.example", Role: directory.RoleStaff, TimeZone: "Asia/Tokyo", Language: "en",
		Person: directory.PersonName{Family: "Yamada", Given: "Hanako"}, PasswordSetup: directory.PasswordSetupMailLink,
	}}
	if edit != nil {
		edit(m)
	}
	return admin.Change{Key: admin.Key{Kind: admin.KindMember, Tenant: tenantSlug, Name: name}, Member: m}
}

// addMember publishes a member with goodPassword set.
func (w *world) addMember(name string) {
	w.t.Helper()
	w.apply(member(name, nil))
	hash, err := password.NewHasher(password.Options{Memory: 64, Time: 1}).Hash(context.Background(), goodPassword)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.store.SetPassword(context.Background(), tenantSlug, name, hash, "", admin.AuditEntry{
		Tenant: tenantSlug, Action: admin.PasswordChanged, Time: w.clock.Now()})).To(Succeed())
}

// linkToken is the token in the newest mailed password link.
func (w *world) linkToken() string {
	w.t.Helper()
	mails, err := w.store.ClaimMails(context.Background(), 10, time.Minute)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(mails).NotTo(BeEmpty())
	var payload store.PasswordLinkPayload
	w.Expect(json.Unmarshal(mails[len(mails)-1].Payload, &payload)).To(Succeed())
	return payload.Token
}

func samlApp(edit func(*directory.App)) admin.Change {
	app := &directory.App{
		Tenant: tenantSlug, Kind: directory.KindSAMLApp, Name: "wiki", DisplayName: "Wiki", Visible: true, URL: "https://wiki.example.com/",
		SAML: &directory.SAMLSettings{
			Flow: directory.FlowSPInitiated, EntityID: spEntityID, Signing: directory.SignResponseAndAssertion, NameIDFormat: directory.NameIDEmailAddress,
			AssertionConsumerServices: []directory.AssertionConsumerService{{URL: spACS, Default: true}},
		},
	}
	if edit != nil {
		edit(app)
	}
	return admin.Change{Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: tenantSlug, Name: app.Name}, App: app}
}

func linkApp(name, address string, edit func(*directory.App)) admin.Change {
	app := &directory.App{Tenant: tenantSlug, Kind: directory.KindLinkApp, Name: name, DisplayName: name, Visible: true, URL: address}
	if edit != nil {
		edit(app)
	}
	return admin.Change{Key: admin.Key{Kind: admin.KindLinkApp, Tenant: tenantSlug, Name: name}, App: app}
}

func icon() *directory.Image {
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		panic(err)
	}
	return &directory.Image{ContentType: "image/png", Data: encoded.Bytes()}
}

// audits are the actions of the audit log, newest first.
func (w *world) audits() []string {
	w.t.Helper()
	entries, err := w.store.SearchAudit(context.Background(), admin.AuditQuery{})
	w.Expect(err).NotTo(HaveOccurred())
	var actions []string
	for _, entry := range entries {
		actions = append(actions, entry.Action)
	}
	return actions
}

// browser is a person's browser: cookies, and the page it shows.
type browser struct {
	world  *world
	client *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	w.Expect(err).NotTo(HaveOccurred())
	client := *w.server.Client()
	client.Jar = jar
	return &browser{world: w, client: &client}
}

// page is what was answered last, after redirects.
type page struct {
	browser *browser
	status  int
	header  http.Header
	url     *url.URL
	body    string
	root    *html.Node
}

func (b *browser) do(request *http.Request) *page {
	b.world.t.Helper()
	if request.Header.Get("Accept-Language") == "" {
		request.Header.Set("Accept-Language", "en")
	}
	response, err := b.client.Do(request)
	b.world.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	b.world.Expect(err).NotTo(HaveOccurred())
	root, err := html.Parse(bytes.NewReader(body))
	b.world.Expect(err).NotTo(HaveOccurred())
	return &page{browser: b, status: response.StatusCode, header: response.Header, url: response.Request.URL, body: string(body), root: root}
}

func (b *browser) get(target string) *page {
	b.world.t.Helper()
	request, err := http.NewRequest(http.MethodGet, b.resolve(target), nil)
	b.world.Expect(err).NotTo(HaveOccurred())
	return b.do(request)
}

func (b *browser) post(target string, form url.Values) *page {
	b.world.t.Helper()
	request, err := http.NewRequest(http.MethodPost, b.resolve(target), strings.NewReader(form.Encode()))
	b.world.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(request)
}

func (b *browser) resolve(target string) string {
	if strings.Contains(target, "://") {
		return target
	}
	return b.world.server.URL + target
}

// logIn goes to the log-in page and submits it.
func (b *browser) logIn(mail, password string) *page {
	b.world.t.Helper()
	return b.get("/login").submit("/login", "mail", mail, "password", password)
}

// form reads the inputs of the form that goes to action.
func (p *page) form(action string) url.Values {
	p.browser.world.t.Helper()
	for node := range p.root.Descendants() {
		if node.Type != html.ElementNode || node.Data != "form" || attribute(node, "action") != action {
			continue
		}
		values := url.Values{}
		for input := range node.Descendants() {
			if input.Type == html.ElementNode && input.Data == "input" {
				values.Set(attribute(input, "name"), attribute(input, "value"))
			}
		}
		return values
	}
	p.browser.world.t.Fatalf("no form goes to %s (status %d):\n%s", action, p.status, p.body)
	return nil
}

// submit fills the form that goes to action with pairs of name and value, and posts it.
func (p *page) submit(action string, pairs ...string) *page {
	p.browser.world.t.Helper()
	form := p.form(action)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return p.browser.post(action, form)
}

// input is the value of the first input of that name on the page.
func (p *page) input(name string) string {
	for node := range p.root.Descendants() {
		if node.Type == html.ElementNode && node.Data == "input" && attribute(node, "name") == name {
			return attribute(node, "value")
		}
	}
	return ""
}

// show is a page that another site made.
func (b *browser) show(body []byte) *page {
	b.world.t.Helper()
	root, err := html.Parse(bytes.NewReader(body))
	b.world.Expect(err).NotTo(HaveOccurred())
	return &page{browser: b, body: string(body), root: root}
}

func (p *page) path() string { return p.url.Path }

// text is the page's visible text with single spaces.
func (p *page) text() string {
	var text strings.Builder
	for node := range p.root.Descendants() {
		if node.Type == html.TextNode && (node.Parent == nil || node.Parent.Data != "script") {
			text.WriteString(node.Data + " ")
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

func (p *page) language() string {
	for node := range p.root.Descendants() {
		if node.Type == html.ElementNode && node.Data == "html" {
			return attribute(node, "lang")
		}
	}
	return ""
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
