/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mail_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// forgetful is an outbox whose database is away when a mail was just sent.
type forgetful struct {
	*store.Store
	outages atomic.Int64
}

func (f *forgetful) MailSent(ctx context.Context, id string) error {
	if f.outages.Add(-1) >= 0 {
		return &admin.UnavailableError{Reason: "away"}
	}
	return f.Store.MailSent(ctx, id)
}

func TestOutageAfterSendingSendsNothingTwice(t *testing.T) {
	g := NewWithT(t)
	s := &server{}
	s.start(t, nil, false)
	clock := storetest.NewClock()
	options := storetest.SQLiteOptions(t)
	options.Now = clock.Now
	queue := &forgetful{Store: storetest.Open(t, options)}
	queue.outages.Store(2)
	_, err := queue.Apply(t.Context(), []admin.Change{tenant(), member("en")})
	g.Expect(err).NotTo(HaveOccurred())
	sender, err := mail.NewSender(mail.Options{Queue: queue, ExternalURL: "https://id.example.com", SMTP: s.options(mail.SecurityNone), Now: clock.Now})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sender.Run(ctx)
	}()
	g.Eventually(func() int64 { return queue.outages.Load() }, "20s").Should(BeEquivalentTo(-1), "noted at the third try")
	g.Eventually(func() (int, error) {
		waiting, failing, err := queue.CountMails(t.Context())
		return waiting + failing, err
	}, "10s").Should(BeZero())
	// Long after the lease there is nothing to send.
	clock.Add(time.Hour)
	g.Expect(sender.SetOptions(s.options(mail.SecurityNone))).To(Succeed())
	g.Consistently(s.mails, "300ms").Should(HaveLen(1))
	cancel()
	g.Eventually(ended, "10s").Should(BeClosed())
}
