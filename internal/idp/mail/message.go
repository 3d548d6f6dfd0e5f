/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mail

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/idp/store"
)

//go:embed templates
var templates embed.FS

// wording is one purpose's templates in one language.
type wording struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
	// timeLayout writes the expiry.
	timeLayout string
}

// wordings are by purpose and language.
var wordings = map[string]map[string]wording{
	store.MailPasswordLink:    newWordings("password_link"),
	store.MailCertificateEnds: newWordings("certificate_ends"),
}

func newWordings(name string) map[string]wording {
	return map[string]wording{
		"ja": newWording(name+".ja", "2006年1月2日 15:04 (MST)"),
		"en": newWording(name+".en", "2 January 2006, 15:04 (MST)"),
	}
}

func newWording(name, timeLayout string) wording {
	path := "templates/" + name
	return wording{
		subject:    texttemplate.Must(texttemplate.ParseFS(templates, path+".subject")),
		text:       texttemplate.Must(texttemplate.ParseFS(templates, path+".txt")),
		html:       htmltemplate.Must(htmltemplate.ParseFS(templates, path+".html")),
		timeLayout: timeLayout,
	}
}

// content is what the templates are filled with.
type content struct {
	Tenant, Name, URL, Expiry, Fingerprint string
}

// message builds a mail with a text and an HTML part. It returns
// store.ErrNotFound where the member or tenant has gone.
func (s *Sender) message(ctx context.Context, transport *transport, mail store.Mail) (*gomail.Msg, error) {
	languages, ok := wordings[mail.Purpose]
	if !ok {
		return nil, fmt.Errorf("no template for mails of purpose %q", mail.Purpose)
	}
	account, err := s.options.Queue.Account(ctx, mail.Tenant, mail.Member)
	if err != nil {
		return nil, fmt.Errorf("member of the mail: %w", err)
	}
	tenant, err := s.options.Queue.Tenant(ctx, mail.Tenant)
	if err != nil {
		return nil, fmt.Errorf("tenant of the mail: %w", err)
	}
	words, ok := languages[mail.Language]
	if !ok {
		words = languages["en"]
	}
	filled := content{Tenant: oneLine(tenant.DisplayName), Name: oneLine(account.Person.Display(mail.Language))}
	at, err := s.fill(&filled, mail)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	filled.Expiry = at.In(location(account.TimeZone)).Format(words.timeLayout)
	return words.message(transport, mail, filled)
}

// fill reads the purpose's own content, and returns the time that the mail tells of.
func (s *Sender) fill(c *content, mail store.Mail) (time.Time, error) {
	if mail.Purpose == store.MailCertificateEnds {
		var payload store.CertificateEndsPayload
		err := json.Unmarshal(mail.Payload, &payload)
		c.URL, c.Fingerprint = endpoints.Metadata(s.options.ExternalURL, mail.Tenant), payload.Fingerprint
		return payload.EndsAt, err
	}
	var payload store.PasswordLinkPayload
	err := json.Unmarshal(mail.Payload, &payload)
	c.URL = endpoints.PasswordLink(s.options.ExternalURL, payload.Token)
	return payload.ExpiresAt, err
}

func (w wording) message(transport *transport, mail store.Mail, c content) (*gomail.Msg, error) {
	var subject, text, html bytes.Buffer
	for part, err := range map[string]error{
		"subject": w.subject.Execute(&subject, c),
		"text":    w.text.Execute(&text, c),
		"HTML":    w.html.Execute(&html, c),
	} {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(transport.from)
	if err := message.To(mail.To); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	_, domain, _ := strings.Cut(transport.from.Address, "@")
	// The same at each try, so that a mailbox can tell a mail that came twice.
	message.SetMessageIDWithValue(mail.ID + "@" + domain)
	message.SetDate()
	message.Subject(strings.TrimSpace(subject.String()))
	// RFC 3834: no holiday answers to this.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, text.String())
	message.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return message, nil
}

// oneLine keeps a name from breaking out of its line or header.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, name)
}

// location is the member's time zone, UTC where it is unknown.
func location(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}
