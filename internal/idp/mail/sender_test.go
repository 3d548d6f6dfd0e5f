/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mail_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a mail server that keeps what it gets.
type server struct {
	address  string
	username string
	password string

	mu       sync.Mutex
	tried    int
	refusal  error
	received [][]byte
}

func (s *server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }

func (s *server) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

func (s *server) mails() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

func (s *server) tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried
}

type session struct {
	server        *server
	authenticated bool
}

func (s *session) AuthMechanisms() []string {
	if s.server.username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != s.server.username || password != s.server.password {
			return smtp.ErrAuthFailed
		}
		s.authenticated = true
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.server.username != "" && !s.authenticated {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.tried++
	return s.server.refusal
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received = append(s.server.received, body)
	return err
}

func (*session) Reset()        {}
func (*session) Logout() error { return nil }

// start serves; with a certificate and implicit it speaks TLS from the start, with one alone STARTTLS.
func (s *server) start(t *testing.T, certificate *tls.Certificate, implicit bool) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	s.address = listener.Addr().String()
	backend := smtp.NewServer(s)
	backend.Domain = "mail.example"
	backend.ErrorLog = log.New(io.Discard, "", 0)
	if certificate != nil {
		backend.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
	}
	if implicit {
		listener = tls.NewListener(listener, backend.TLSConfig)
	}
	served := make(chan error, 1)
	go func() { served <- backend.Serve(listener) }()
	t.Cleanup(func() {
		_ = backend.Close()
		NewWithT(t).Expect(<-served).To(Succeed())
	})
}

func (s *server) options(security mail.Security) *mail.SMTPOptions {
	host, port, _ := net.SplitHostPort(s.address)
	number, _ := net.LookupPort("tcp", port)
	return &mail.SMTPOptions{Host: host, Port: number, Security: security, From: "手形 <id@example.com>"}
}

// sending is a store with one mail in its outbox, and a sender at work.
type sending struct {
	*WithT
	store  *store.Store
	sender *mail.Sender
	clock  *storetest.Clock
}

func tenant() admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindTenant, Tenant: "acme"}, Owner: "team/acme",
		Tenant: &admin.Tenant{Tenant: directory.Tenant{Slug: "acme", DisplayName: "手形商事\r\nBcc: evil@example.com", TimeZone: "Asia/Tokyo", Language: "ja"}},
	}
}

func member(language string) admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindMember, Tenant: "acme", Name: "hanako"}, Owner: "team/hanako", TenantOwner: "team/acme",
		Member: &admin.Member{Member: directory.Member{
			Tenant: "acme", Name: "hanako", Mail: "hanako@example.com", Person: directory.PersonName{Family: "山田", Given: "<花子>"},
			Role: directory.RoleStaff, TimeZone: "Asia/Tokyo", Language: language, PasswordSetup: directory.PasswordSetupMailLink,
		}},
	}
}

func send(t *testing.T, language string, options *mail.SMTPOptions) *sending {
	t.Helper()
	g := NewWithT(t)
	clock := storetest.NewClock()
	o := storetest.SQLiteOptions(t)
	o.Now = clock.Now
	s := &sending{WithT: g, store: storetest.Open(t, o), clock: clock}
	results, err := s.store.Apply(t.Context(), []admin.Change{tenant(), member(language)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(results[1].Problem).To(BeNil())
	s.sender, err = mail.NewSender(mail.Options{Queue: s.store, ExternalURL: "https://id.example.com", SMTP: options, Now: clock.Now})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.sender.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return s
}

// mailError is what the operator is told.
func (s *sending) mailError(t *testing.T, language string) string {
	results, err := s.store.Apply(t.Context(), []admin.Change{member(language)})
	s.Expect(err).NotTo(HaveOccurred())
	return results[0].Member.MailError
}

// parts are the header and the decoded bodies by media type.
func parts(g *WithT, raw []byte) (netmail.Header, map[string]string) {
	message, err := netmail.ReadMessage(bytes.NewReader(raw))
	g.Expect(err).NotTo(HaveOccurred())
	kind, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kind).To(Equal("multipart/alternative"))
	bodies := map[string]string{}
	reader := multipart.NewReader(message.Body, parameters["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return message.Header, bodies
		}
		g.Expect(err).NotTo(HaveOccurred())
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		g.Expect(err).NotTo(HaveOccurred())
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		g.Expect(err).NotTo(HaveOccurred())
		bodies[kind] = string(body)
	}
}

func TestMailsAreWrittenInTheMembersLanguage(t *testing.T) {
	for language, want := range map[string]struct{ subject, name, htmlName, expiry string }{
		"ja": {"【手形商事  Bcc: evil@example.com】パスワードの設定", "山田 <花子> 様", "山田 &lt;花子&gt; 様", "2026年4月8日 18:00 (JST)"},
		"en": {"[手形商事  Bcc: evil@example.com] Set your password", "Dear <花子> 山田,", "Dear &lt;花子&gt; 山田,", "8 April 2026, 18:00 (JST)"},
		"fr": {"[手形商事  Bcc: evil@example.com] Set your password", "Dear <花子> 山田,", "Dear &lt;花子&gt; 山田,", "8 April 2026, 18:00 (JST)"},
	} {
		t.Run(language, func(t *testing.T) {
			s := &server{}
			s.start(t, nil, false)
			f := send(t, language, s.options(mail.SecurityNone))
			f.Eventually(s.mails, 10*time.Second).Should(HaveLen(1))
			header, bodies := parts(f.WithT, s.mails()[0])
			f.Expect(new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))).To(Equal(want.subject))
			f.Expect(header).NotTo(HaveKey("Bcc"))
			f.Expect(header.Get("Subject")).To(MatchRegexp(`^[\x20-\x7e]+$`), "encoded (RFC 2047)")
			f.Expect(header.Get("To")).To(ContainSubstring("hanako@example.com"))
			f.Expect(header.Get("Auto-Submitted")).To(Equal("auto-generated"))
			f.Expect(header.Get("Message-Id")).To(HaveSuffix("@example.com>"))
			f.Expect(bodies["text/plain"]).To(ContainSubstring(want.name))
			f.Expect(bodies["text/plain"]).To(ContainSubstring(want.expiry))
			f.Expect(bodies["text/html"]).To(ContainSubstring(want.htmlName))
			f.Expect(bodies["text/html"]).To(ContainSubstring(want.expiry))
			// The link in both parts opens the account.
			_, after, found := strings.Cut(bodies["text/plain"], "https://id.example.com/password/")
			f.Expect(found).To(BeTrue())
			token := strings.Fields(after)[0]
			f.Expect(bodies["text/html"]).To(ContainSubstring(`href="https://id.example.com/password/` + token + `"`))
			account, err := f.store.PasswordLink(t.Context(), token)
			f.Expect(err).NotTo(HaveOccurred())
			f.Expect(account.Name).To(Equal("hanako"))
		})
	}
}

func TestMailWaitsForADeadServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	dead := &server{address: listener.Addr().String()}
	NewWithT(t).Expect(listener.Close()).To(Succeed())

	f := send(t, "ja", dead.options(mail.SecurityNone))
	f.Eventually(func() string { return f.mailError(t, "ja") }, 10*time.Second).Should(ContainSubstring("connection refused"))
	for range 6 {
		f.clock.Add(10 * time.Minute)
		f.Expect(f.sender.SetOptions(dead.options(mail.SecurityNone))).To(Succeed())
	}
	alive := &server{}
	alive.start(t, nil, false)
	// A last try at the dead server may still be under way and put the next one off.
	f.Eventually(func() [][]byte {
		f.clock.Add(10 * time.Minute)
		f.Expect(f.sender.SetOptions(alive.options(mail.SecurityNone))).To(Succeed())
		return alive.mails()
	}, 10*time.Second, 50*time.Millisecond).Should(HaveLen(1))
	f.Eventually(func() string { return f.mailError(t, "ja") }, 10*time.Second).Should(BeEmpty())
	f.clock.Add(time.Hour)
	f.Expect(f.sender.SetOptions(alive.options(mail.SecurityNone))).To(Succeed())
	f.Consistently(alive.mails, 200*time.Millisecond).Should(HaveLen(1))
}

func TestRefusedMailIsTriedSeldomAndGivenUp(t *testing.T) {
	s := &server{}
	s.refuse(&smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"})
	s.start(t, nil, false)
	f := send(t, "en", s.options(mail.SecurityNone))
	f.Eventually(func() string { return f.mailError(t, "en") }, 10*time.Second).Should(ContainSubstring("no such mailbox"))
	f.Expect(f.mailError(t, "en")).NotTo(ContainSubstring("message ID"))
	f.Expect(f.sender.SetOptions(s.options(mail.SecurityNone))).To(Succeed())
	f.Consistently(s.tries, 200*time.Millisecond).Should(Equal(1), "no hot loop")

	f.clock.Add(31 * time.Second)
	f.Expect(f.sender.SetOptions(s.options(mail.SecurityNone))).To(Succeed())
	f.Eventually(s.tries, 10*time.Second).Should(Equal(2))

	f.clock.Add(168*time.Hour - time.Minute)
	f.Expect(f.sender.SetOptions(s.options(mail.SecurityNone))).To(Succeed())
	f.Eventually(func() string { return f.mailError(t, "en") }, 10*time.Second).Should(HavePrefix("gave up"))
}

func TestMailIsEncryptedAndAuthenticated(t *testing.T) {
	certificate, pool := selfSigned(t)
	for _, security := range []mail.Security{mail.SecurityStartTLS, mail.SecurityTLS} {
		t.Run(string(security), func(t *testing.T) {
			s := &server{username: "tegata", password: "mail-password"}
			s.start(t, certificate, security == mail.SecurityTLS)
			options := s.options(security)
			options.Username, options.Password = "tegata", "wrong-password"
			f := send(t, "ja", options)
			f.Eventually(func() string { return f.mailError(t, "ja") }, 10*time.Second).Should(ContainSubstring("certificate"), "unknown authority")
			options.RootCAs = pool
			f.clock.Add(time.Minute)
			f.Expect(f.sender.SetOptions(options)).To(Succeed())
			f.Eventually(func() string { return f.mailError(t, "ja") }, 10*time.Second).Should(ContainSubstring("SMTP AUTH failed"))
			f.Expect(f.mailError(t, "ja")).NotTo(ContainSubstring("wrong-password"))
			options.Password = "mail-password"
			f.clock.Add(time.Hour)
			f.Expect(f.sender.SetOptions(options)).To(Succeed())
			f.Eventually(s.mails, 10*time.Second).Should(HaveLen(1))
		})
	}
}

func TestStartTLSNeverFallsBackToClearText(t *testing.T) {
	s := &server{}
	s.start(t, nil, false)
	f := send(t, "ja", s.options(mail.SecurityStartTLS))
	f.Eventually(func() string { return f.mailError(t, "ja") }, 10*time.Second).Should(ContainSubstring("STARTTLS"))
	f.Expect(s.mails()).To(BeEmpty())
}

func TestOptionsAreChecked(t *testing.T) {
	for want, options := range map[string]mail.SMTPOptions{
		"host is not set":       {From: "id@example.com"},
		"not a mail address":    {Host: "mail.example", From: "nobody"},
		"unknown mail security": {Host: "mail.example", From: "id@example.com", Security: "Maybe"},
		"port":                  {Host: "mail.example", From: "id@example.com", Port: 70000},
	} {
		_, err := mail.NewSender(mail.Options{SMTP: &options})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func selfSigned(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	g := NewWithT(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	g.Expect(err).NotTo(HaveOccurred())
	leaf, err := x509.ParseCertificate(der)
	g.Expect(err).NotTo(HaveOccurred())
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
