/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package inbox_test

import (
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/smtp"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/wneessen/go-mail"

	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/test/inbox"
)

func start(t *testing.T) (*inbox.Inbox, *net.TCPAddr) {
	t.Helper()
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	caught := &inbox.Inbox{}
	done := make(chan error, 1)
	go func() { done <- caught.ServeSMTP(listener) }()
	t.Cleanup(func() {
		g.Expect(listener.Close()).To(Succeed())
		g.Expect(<-done).To(MatchError(net.ErrClosed))
	})
	return caught, listener.Addr().(*net.TCPAddr)
}

func TestCatchesAndShowsMail(t *testing.T) {
	g := NewWithT(t)
	caught, address := start(t)
	message := mail.NewMsg()
	g.Expect(message.From("Tegata <no-reply@acme.example>")).To(Succeed())
	g.Expect(message.To("太郎 <taro@acme.example>")).To(Succeed())
	message.Subject("【株式会社アクメ】パスワードの設定")
	message.SetBodyString(mail.TypeTextPlain, "リンク:\nhttp://127.0.0.1:18080/password/a_b-c?x=1&y=2\n<script>alert(1)</script>\n")
	message.AddAlternativeString(mail.TypeTextHTML, "<p>HTML</p>")
	client, err := mail.NewClient(address.IP.String(), mail.WithPort(address.Port), mail.WithTLSPolicy(mail.NoTLS))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(client.DialAndSendWithContext(t.Context(), message)).To(Succeed())

	server := httptest.NewServer(caught)
	t.Cleanup(server.Close)
	page, err := formclient.New().Get(t.Context(), server.URL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.Text()).To(ContainSubstring("【株式会社アクメ】パスワードの設定"))
	g.Expect(page.Text()).To(ContainSubstring("<script>alert(1)</script>"), "shown, not run")
	g.Expect(page.Links()).To(ContainElement(HaveField("URL", "http://127.0.0.1:18080/password/a_b-c?x=1&y=2")))

	page, err = formclient.New().Get(t.Context(), server.URL+"/messages.json")
	g.Expect(err).NotTo(HaveOccurred())
	var messages []inbox.Message
	g.Expect(json.Unmarshal(page.Body, &messages)).To(Succeed())
	g.Expect(messages).To(HaveLen(1))
	g.Expect(messages[0].To).To(Equal([]string{"taro@acme.example"}))
	g.Expect(messages[0].Links).To(Equal([]string{"http://127.0.0.1:18080/password/a_b-c?x=1&y=2"}))
	g.Expect(caught.MessagesTo("taro@acme.example")).To(HaveLen(1))
	g.Expect(caught.MessagesTo("hanako@acme.example")).To(BeEmpty())
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	g := NewWithT(t)
	caught, address := start(t)
	err := smtp.SendMail(address.String(), nil, "a@acme.example", []string{"b@acme.example"}, []byte("no header\r\n"))
	g.Expect(err).To(MatchError(ContainSubstring("unreadable message")))
	g.Expect(caught.Messages()).To(BeEmpty())
}
