/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package idp_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/idp/store/storetest"
	"tegata.dev/tegata/internal/keypair"
)

const ownPassword = "paper-Lantern-77-river"

// pods are replicas on one PostgreSQL database.
type pods struct {
	*WithT
	t       *testing.T
	dsn     string
	servers []*idp.Server
	bases   []string
}

func startPods(t *testing.T, count int, dsn string, smtp *mail.SMTPOptions) *pods {
	t.Helper()
	p := &pods{WithT: NewWithT(t), t: t, dsn: dsn}
	for range count {
		p.start(smtp)
	}
	key, err := keypair.GenerateKeyPair("acme", time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
	p.Expect(err).NotTo(HaveOccurred())
	p.apply(admin.Change{
		Key: admin.Key{Kind: admin.KindTenant, Tenant: "acme"}, Owner: "default/acme",
		Tenant: &admin.Tenant{SigningKey: key, Tenant: directory.Tenant{Slug: "acme", DisplayName: "Acme", TimeZone: "UTC", Language: "en", Plan: directory.PlanPlus}},
	})
	return p
}

func (p *pods) start(smtp *mail.SMTPOptions) {
	p.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	p.Expect(err).NotTo(HaveOccurred())
	o := options(p.t)
	o.SQLitePath, o.PostgresDSN, o.SMTP, o.Log = "", p.dsn, smtp, logr.Discard()
	o.Listener, o.ExternalURL = listener, "http://"+listener.Addr().String()
	o.Password = password.Options{Memory: 64, Time: 1}
	server, err := idp.New(p.t.Context(), o)
	p.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	p.t.Cleanup(func() {
		stop()
		p.Eventually(ended, "60s").Should(Receive())
	})
	p.servers, p.bases = append(p.servers, server), append(p.bases, o.ExternalURL)
}

func (p *pods) apply(changes ...admin.Change) {
	p.t.Helper()
	results, err := p.servers[0].Admin().Apply(p.t.Context(), changes)
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(results).To(HaveEach(HaveField("Problem", BeNil())))
}

func person(name string, setup directory.PasswordSetup) admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindMember, Tenant: "acme", Name: name}, Owner: "default/" + name, TenantOwner: "default/acme",
		Member: &admin.Member{Member: directory.Member{Tenant: "acme", Name: name, Mail: name + "@acme.example", Role: directory.RoleStaff,
			Person: directory.PersonName{Family: "Yamada", Given: name}, TimeZone: "UTC", Language: "ja", PasswordSetup: setup}},
	}
}

// browser is one whose person is logged in at every pod, as cookies know no ports.
func (p *pods) browser(name string) *formclient.Client {
	p.t.Helper()
	p.apply(person(name, directory.PasswordSetupTemporary))
	temporary := "ABCD-EFGH-JKLM-NPQR"
	_, err := p.servers[0].Admin().SetTemporaryPassword(p.t.Context(), admin.TemporaryPassword{
		Member: admin.Key{Kind: admin.KindMember, Tenant: "acme", Name: name}, Password: temporary, ExpiresAt: time.Now().Add(time.Hour)})
	p.Expect(err).NotTo(HaveOccurred())
	client := formclient.New()
	client.Language = "ja"
	page, err := client.Get(p.t.Context(), p.bases[0]+"/login")
	p.Expect(err).NotTo(HaveOccurred())
	page, err = client.LogIn(p.t.Context(), page, name+"@acme.example", temporary)
	p.Expect(err).NotTo(HaveOccurred())
	page, err = client.SetPassword(p.t.Context(), page, ownPassword)
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(page.Status).To(Equal(http.StatusOK))
	p.Expect(page.URL.Path).To(Equal("/"))
	return client
}

func (p *pods) rows(table string) int {
	p.t.Helper()
	db, err := sql.Open("pgx", p.dsn)
	p.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = db.Close() }()
	var count int
	p.Expect(db.QueryRowContext(p.t.Context(), "SELECT count(*) FROM "+table).Scan(&count)).To(Succeed())
	return count
}

func ready(base string) func() int {
	return func() int {
		response, err := http.Get(base + "/readyz")
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
}

func TestDatabaseAwayIsToldAndForgiven(t *testing.T) {
	database := storetest.NewServer(t)
	p := startPods(t, 1, database.DSN(), nil)
	base := p.bases[0]
	member := p.browser("hanako")
	guest := formclient.New()
	guest.Language = "ja"
	form, err := guest.Get(t.Context(), base+"/login")
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(ready(base)()).To(Equal(http.StatusOK))
	attempts := p.rows("attempts")

	database.Stop()
	away := func(page *formclient.Page, err error) {
		t.Helper()
		p.Expect(err).NotTo(HaveOccurred())
		p.Expect(page.Status).To(Equal(http.StatusServiceUnavailable))
		p.Expect(page.Header.Get("Retry-After")).To(Equal("5"))
		p.Expect(page.Text()).To(ContainSubstring("ただいまご利用いただけません"))
		p.Expect(page.Header.Values("Set-Cookie")).NotTo(ContainElement(ContainSubstring("tegata-session")))
	}
	for _, path := range []string{"/", "/account", "/login", "/saml/acme/metadata", "/password/unknown", "/saml/acme/apps/wiki", "/login?flow=unknown"} {
		away(member.Get(t.Context(), base+path))
	}
	for range 8 {
		away(guest.LogIn(t.Context(), form, "hanako@acme.example", "wrong"))
	}
	away(guest.LogIn(t.Context(), form, "hanako@acme.example", ownPassword))
	p.Eventually(ready(base), "10s").Should(Equal(http.StatusServiceUnavailable))
	alive, _ := get(t, base+"/healthz")
	p.Expect(alive).To(Equal(http.StatusOK), "a restart would mend nothing")

	database.Start()
	page, err := member.Get(t.Context(), base+"/")
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(page.Status).To(Equal(http.StatusOK), "the very next request")
	p.Expect(page.URL.Path).To(Equal("/"), "still logged in")
	p.Expect(ready(base)()).To(Equal(http.StatusOK))
	p.Expect(p.rows("attempts")).To(Equal(attempts), "nothing counted that was not judged")
	page, err = guest.LogIn(t.Context(), form, "hanako@acme.example", ownPassword)
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(page.URL.Path).To(Equal("/"))
}

// TestNobodyIsLoggedOutByBreaks breaks connections and the server under load.
func TestNobodyIsLoggedOutByBreaks(t *testing.T) {
	database := storetest.NewServer(t)
	proxy := storetest.NewProxy(t, database.Host())
	p := startPods(t, 2, database.DSN(proxy.Host()), nil)
	const people = 6
	browsers := make([]*formclient.Client, people)
	for i := range browsers {
		browsers[i] = p.browser(fmt.Sprintf("m%d", i))
	}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	var served, refused, loggedIn atomic.Int64
	check := func(what string, page *formclient.Page, err error) {
		switch {
		case ctx.Err() != nil:
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case page.Status == http.StatusServiceUnavailable:
			refused.Add(1)
		case page.Status == http.StatusOK && page.URL.Path == "/":
			served.Add(1)
		default:
			t.Errorf("%s: %d at %s: %s", what, page.Status, page.URL, page.Text())
		}
	}
	for i, browser := range browsers {
		working.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				page, err := browser.Get(ctx, p.bases[n%2]+"/")
				check("portal", page, err)
			}
		})
		working.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				fresh := formclient.New()
				page, err := fresh.Get(ctx, p.bases[n%2]+"/login")
				if err == nil {
					page, err = fresh.LogIn(ctx, page, fmt.Sprintf("m%d@acme.example", i), ownPassword)
				}
				check("log-in", page, err)
				if err == nil && page.Status == http.StatusOK {
					loggedIn.Add(1)
				}
				fresh.HTTP.CloseIdleConnections()
			}
		})
	}
	more := func(than int64) { p.Eventually(loggedIn.Load, "30s", "5ms").Should(BeNumerically(">", than)) }
	for range 20 {
		more(loggedIn.Load() + 3)
		proxy.Drop()
	}
	proxy.BreakOn(func([]byte) bool { return mathrand.IntN(200) == 0 })
	more(loggedIn.Load() + 50)
	proxy.BreakOn(nil)
	for range 2 {
		database.Stop()
		before := refused.Load()
		p.Eventually(refused.Load, "30s", "5ms").Should(BeNumerically(">", before+20))
		database.Start()
		more(loggedIn.Load() + 10)
	}
	stop()
	working.Wait()
	t.Logf("served %d, refused %d, log-ins %d", served.Load(), refused.Load(), loggedIn.Load())
	for i, browser := range browsers {
		page, err := browser.Get(t.Context(), p.bases[i%2]+"/")
		p.Expect(err).NotTo(HaveOccurred())
		p.Expect(page.URL.Path).To(Equal("/"))
	}
}

// postbox counts the mails to each recipient.
type postbox struct {
	mu    sync.Mutex
	mails map[string]int
}

func (b *postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivery{box: b}, nil }

func (b *postbox) count() (people, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, count := range b.mails {
		most = max(most, count)
	}
	return len(b.mails), most
}

func (b *postbox) open(t *testing.T) *mail.SMTPOptions {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	b.mails = map[string]int{}
	server := smtp.NewServer(b)
	server.Domain = "mail.example"
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		NewWithT(t).Expect(<-served).To(Succeed())
	})
	address, _ := listener.Addr().(*net.TCPAddr)
	return &mail.SMTPOptions{Host: "127.0.0.1", Port: address.Port, Security: mail.SecurityNone, From: "id@example.com"}
}

func TestFailoverKeepsSessionsAndSendsNothingTwice(t *testing.T) {
	primary := storetest.NewServer(t)
	standby := primary.Standby()
	primary.Eventually("ALTER SYSTEM SET synchronous_standby_names = '*'")
	primary.Eventually("SELECT pg_reload_conf()")
	box := &postbox{}
	p := startPods(t, 2, primary.DSN(primary.Host(), standby.Host())+"&target_session_attrs=read-write", box.open(t))
	browser := p.browser("hanako")
	const people = 60
	changes := make([]admin.Change, people)
	for i := range changes {
		changes[i] = person(fmt.Sprintf("m%02d", i), directory.PasswordSetupMailLink)
	}
	p.apply(changes...)
	p.Eventually(func() int { sent, _ := box.count(); return sent }, "30s", "1ms").Should(BeNumerically(">", 5))
	primary.Kill()
	page, err := browser.Get(t.Context(), p.bases[1]+"/")
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(page.Status).To(Equal(http.StatusServiceUnavailable))
	for _, base := range p.bases {
		p.Eventually(ready(base), "10s").Should(Equal(http.StatusServiceUnavailable))
	}
	standby.Promote()
	standby.Eventually("ALTER SYSTEM RESET synchronous_standby_names")
	for _, base := range p.bases {
		p.Eventually(ready(base), "20s").Should(Equal(http.StatusOK))
		page, err = browser.Get(t.Context(), base+"/")
		p.Expect(err).NotTo(HaveOccurred())
		p.Expect(page.Status).To(Equal(http.StatusOK))
		p.Expect(page.URL.Path).To(Equal("/"), "the session outlived its server")
	}
	p.Eventually(func() int { sent, _ := box.count(); return sent }, "60s").Should(Equal(people))
	p.dsn = standby.DSN()
	p.Eventually(func() int { return p.rows("outbox") }, "30s").Should(BeZero(), "all are noted as sent")
	_, most := box.count()
	p.Expect(most).To(Equal(1))
}
