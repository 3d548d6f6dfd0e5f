/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crewjam/saml"
	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/test/inbox"
	"tegata.dev/tegata/test/sampleprovider"
)

const (
	tenantSlug        = "acme"
	tenantName        = "株式会社アクメ"
	wikiName          = "社内Wiki"
	expensesName      = "経費精算"
	temporaryPassword = "Kx7-pQ2m-Vb9t-Rn4w-Zc6h"
	weakPassword      = "password1"
	firstPassword     = "correct-Horse-42-stable"
	secondPassword    = "paper-Lantern-77-river"
)

// world is a real IdP with a company in it, its mail server, and two service
// providers: one that starts log-ins itself, and one that waits for ours.
type world struct {
	*WithT
	t        *testing.T
	look     look
	url      string
	admin    admin.Service
	inbox    *inbox.Inbox
	wiki     string
	expenses string
	texts    map[string]string
}

// signingKey is made once, as RSA keys take long.
var signingKey = sync.OnceValues(func() (admin.KeyPair, error) {
	return keypair.GenerateKeyPair(tenantSlug, time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
})

func newWorld(t *testing.T, l look, name string) *world {
	w := &world{WithT: NewWithT(t), t: t, look: l, inbox: &inbox.Inbox{}, texts: texts(t, l.language)}
	var wiki, expenses http.Handler
	w.wiki = w.serve(&wiki)
	w.expenses = w.serve(&expenses)
	w.startIdP(w.startMailServer())

	sample, err := sampleprovider.New(sampleprovider.Options{URL: w.wiki, IdPMetadataURL: w.url + "/saml/acme/metadata"})
	w.Expect(err).NotTo(HaveOccurred())
	wiki = w.takesLogOuts(sample, w.wiki+"/saml/metadata")
	w.publish()
	expenses = w.takesLogOuts(w.newReceiver(name), w.expenses)
	return w
}

// texts are the messages of the pages by key.
func texts(t *testing.T, language string) map[string]string {
	t.Helper()
	g := NewWithT(t)
	body, err := os.ReadFile(filepath.Join("..", "..", "internal", "idp", "web", "messages", language+".json"))
	g.Expect(err).NotTo(HaveOccurred())
	all := map[string]string{}
	g.Expect(json.Unmarshal(body, &all)).To(Succeed())
	return all
}

// text is a message in the language of the test.
func (w *world) text(key string, arguments ...any) string {
	w.t.Helper()
	format, ok := w.texts[key]
	w.Expect(ok).To(BeTrue(), "message %s", key)
	if len(arguments) == 0 {
		return format
	}
	return fmt.Sprintf(format, arguments...)
}

// serve starts a site whose handler comes later, as each needs the other's
// address. Service providers are on 127.0.0.1 and the IdP on localhost: two
// sites, so cookies behave as they do between companies.
func (w *world) serve(handler *http.Handler) string {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*handler).ServeHTTP(rw, r) }))
	w.t.Cleanup(server.Close)
	return server.URL
}

func (w *world) startMailServer() int {
	listener := w.listen()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It ends with its listener.
		_ = w.inbox.ServeSMTP(listener)
	}()
	w.t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return listener.Addr().(*net.TCPAddr).Port
}

func (w *world) listen() net.Listener {
	listener, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	return listener
}

func (w *world) startIdP(mailPort int) {
	listener := w.listen()
	w.url = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	server, err := idp.New(w.t.Context(), idp.Options{
		ExternalURL: w.url, Listener: listener, SQLitePath: filepath.Join(w.t.TempDir(), "idp.db"), Key: bytes.Repeat([]byte{7}, 32),
		SMTP:     &mail.SMTPOptions{Host: "127.0.0.1", Port: mailPort, Security: mail.SecurityNone, From: "id@acme.example"},
		Password: password.Options{Memory: 64, Time: 1}, Log: logr.Discard(),
	})
	w.Expect(err).NotTo(HaveOccurred())
	w.admin = server.Admin()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		NewWithT(w.t).Eventually(ended, "30s").Should(Receive(BeNil()))
	})
}

// newReceiver is a service provider that takes log-ins started at the IdP.
func (w *world) newReceiver(name string) http.Handler {
	response, err := http.Get(w.url + "/saml/acme/metadata")
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	metadata := &saml.EntityDescriptor{}
	w.Expect(xml.NewDecoder(response.Body).Decode(metadata)).To(Succeed())
	acs, err := url.Parse(w.expenses + "/acs")
	w.Expect(err).NotTo(HaveOccurred())
	provider := &saml.ServiceProvider{EntityID: w.expenses, AcsURL: *acs, IDPMetadata: metadata, AllowIDPInitiated: true}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		said := "no form"
		if err := r.ParseForm(); err == nil {
			assertion, err := provider.ParseResponse(r, nil)
			if said = "refused"; err == nil {
				said = assertion.Subject.NameID.Value
			}
		}
		_, _ = fmt.Fprintf(rw, "<!doctype html><title>%s</title><h1>%s %s</h1>", expensesName, name, said)
	})
}

func (w *world) publish() {
	key, err := signingKey()
	w.Expect(err).NotTo(HaveOccurred())
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenantSlug}, Tenant: &admin.Tenant{
		SigningKey: key,
		Tenant:     directory.Tenant{Slug: tenantSlug, DisplayName: tenantName, TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus},
	}})
	w.apply(
		member(w.hanako()), member(w.ichiro()), member(w.stranger()),
		admin.Change{Key: admin.Key{Kind: admin.KindGroup, Tenant: tenantSlug, Name: "sales"}, Group: &directory.Group{
			Tenant: tenantSlug, Name: "sales", DisplayName: "営業部",
			Members: []directory.Participant{{Member: "hanako", Role: directory.GroupAdministrator}, {Member: "ichiro", Role: directory.GroupUser}},
		}},
		app(w.samlApp("wiki", wikiName, directory.FlowSPInitiated, w.wiki+"/saml/metadata", w.wiki+"/saml/acs")),
		app(w.samlApp("expenses", expensesName, directory.FlowIdPInitiated, w.expenses, w.expenses+"/acs")),
		app(linkApp("calendar", "カレンダー")),
		app(linkApp("attendance", "勤怠管理")),
		app(linkApp("handbook", "Employee Handbook")),
		app(linkApp("helpdesk", "ヘルプデスク")),
	)
}

func (w *world) apply(changes ...admin.Change) {
	w.t.Helper()
	for i := range changes {
		changes[i].Owner = "acme/" + cmp.Or(changes[i].Key.Name, tenantSlug)
		if changes[i].Key.Kind != admin.KindTenant {
			changes[i].TenantOwner = "acme/" + tenantSlug
		}
	}
	results, err := w.admin.Apply(context.Background(), changes)
	w.Expect(err).NotTo(HaveOccurred())
	for i, result := range results {
		w.Expect(result.Problem).To(BeNil(), changes[i].Key.String())
	}
}

func member(m directory.Member) admin.Change {
	return admin.Change{Key: admin.Key{Kind: admin.KindMember, Tenant: tenantSlug, Name: m.Name}, Member: &admin.Member{Member: m}}
}

func (w *world) person(name string) directory.Member {
	return directory.Member{
		Tenant: tenantSlug, Name: name, Mail: name + "@acme.example", Role: directory.RoleStaff,
		TimeZone: "Asia/Tokyo", Language: w.look.language, PasswordSetup: directory.PasswordSetupTemporary,
	}
}

// hanako has a temporary password once giveTemporaryPassword gave it.
func (w *world) hanako() directory.Member {
	m := w.person("hanako")
	m.Role = directory.RoleSuperAdmin
	m.Person = directory.PersonName{Family: "山田", Given: "花子", PhoneticFamily: "ヤマダ", PhoneticGiven: "ハナコ"}
	if w.look.language == "en" {
		m.Person = directory.PersonName{Family: "Yamada", Given: "Hanako"}
	}
	return m
}

// ichiro gets a link by mail.
func (w *world) ichiro() directory.Member {
	m := w.person("ichiro")
	m.PasswordSetup = directory.PasswordSetupMailLink
	m.Person = directory.PersonName{Family: "鈴木", Given: "一郎"}
	return m
}

// stranger is in no group, so no app is for them.
func (w *world) stranger() directory.Member {
	m := w.person("stranger")
	m.Person = directory.PersonName{Family: "佐藤", Given: "新"}
	return m
}

func (w *world) giveTemporaryPassword(name string) {
	w.t.Helper()
	_, err := w.admin.SetTemporaryPassword(context.Background(), admin.TemporaryPassword{
		Member:   admin.Key{Kind: admin.KindMember, Tenant: tenantSlug, Name: name},
		Password: temporaryPassword, ExpiresAt: time.Now().Add(time.Hour),
	})
	w.Expect(err).NotTo(HaveOccurred())
}

// mailedLink waits for the mail with a member's password link.
func (w *world) mailedLink(address string) string {
	w.t.Helper()
	var link string
	w.Eventually(func() string {
		for _, message := range w.inbox.MessagesTo(address) {
			for _, candidate := range message.Links {
				if strings.HasPrefix(candidate, w.url+"/password/") {
					link = candidate
				}
			}
		}
		return link
	}, "20s", "20ms").ShouldNot(BeEmpty())
	return link
}

func (w *world) samlApp(name, title string, flow directory.Flow, entityID, acs string) *directory.App {
	a := &directory.App{
		Tenant: tenantSlug, Kind: directory.KindSAMLApp, Name: name, DisplayName: title, Visible: true, Groups: []string{"sales"}, Restricted: true,
		SAML: &directory.SAMLSettings{
			Flow: flow, EntityID: entityID, Signing: directory.SignResponseAndAssertion, NameIDFormat: directory.NameIDEmailAddress,
			AssertionConsumerServices: []directory.AssertionConsumerService{{URL: acs, Default: true}},
			Attributes:                []directory.AttributeMapping{{Name: "displayName", NameFormat: "basic", Field: directory.FieldDisplayName}},
		},
	}
	if flow == directory.FlowSPInitiated {
		a.URL = w.wiki + "/"
	}
	return a
}

func linkApp(name, title string) *directory.App {
	return &directory.App{
		Tenant: tenantSlug, Kind: directory.KindLinkApp, Name: name, DisplayName: title, Visible: true, Groups: []string{"sales"}, Restricted: true,
		URL: "https://" + name + ".example.com/",
	}
}

// app publishes an app, with its icon where it has one.
func app(a *directory.App) admin.Change {
	if icon, ok := icons[a.Name]; ok {
		a.Icon = icon()
	}
	return admin.Change{Key: admin.Key{Kind: admin.Kind(a.Kind), Tenant: tenantSlug, Name: a.Name}, App: a}
}
