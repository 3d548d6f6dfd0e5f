/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mail

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	gomail "github.com/wneessen/go-mail"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
)

const (
	// claimLimit mails take at most claimLimit × sendTimeout, well within the lease.
	claimLimit  = 5
	lease       = 5 * time.Minute
	sendTimeout = 30 * time.Second
	// noteRetry is how soon the noting of what became of a mail is tried again.
	noteRetry = time.Second
	// poll finds mail that became due or that another process put there.
	poll = 5 * time.Second

	firstRetry   = 30 * time.Second
	longestRetry = time.Hour
)

// Queue is the outbox with what mails tell of; *store.Store is one.
type Queue interface {
	ClaimMails(ctx context.Context, limit int, lease time.Duration) ([]store.Mail, error)
	MailSent(ctx context.Context, id string) error
	MailFailed(ctx context.Context, id, reason string, retryAt time.Time) error
	MailPending() <-chan struct{}
	Account(ctx context.Context, tenant, name string) (*store.Account, error)
	Tenant(ctx context.Context, slug string) (*store.Tenant, error)
}

// Options of a Sender.
type Options struct {
	Queue Queue
	// ExternalURL is the origin that links lead to.
	ExternalURL string
	// SMTP is where mail goes; nil lets mails wait in the outbox.
	SMTP *SMTPOptions
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log takes failures; default discards.
	Log logr.Logger
}

// Sender sends the outbox's mails. Several may share an outbox.
type Sender struct {
	options Options
	wake    chan struct{}

	mu        sync.Mutex
	transport *transport // nil waits
}

// NewSender checks the options; call Run to send.
func NewSender(o Options) (*Sender, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	s := &Sender{options: o, wake: make(chan struct{}, 1)}
	return s, s.SetOptions(o.SMTP)
}

// SetOptions changes where mail goes from the next mail on; nil lets mails
// wait. Unusable options are refused and change nothing.
func (s *Sender) SetOptions(o *SMTPOptions) error {
	var next *transport
	if o != nil {
		var err error
		if next, err = newTransport(*o); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.transport = next
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *Sender) current() *transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transport
}

// Run sends until ctx ends; a mail under way is finished first.
func (s *Sender) Run(ctx context.Context) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		s.sendDue(ctx)
		select {
		case <-s.wake:
		case <-s.options.Queue.MailPending():
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sendDue sends until nothing is due any more.
func (s *Sender) sendDue(ctx context.Context) {
	for ctx.Err() == nil {
		transport := s.current()
		if transport == nil {
			return
		}
		leased := time.Now().Add(lease)
		mails, err := s.options.Queue.ClaimMails(ctx, claimLimit, lease)
		if err != nil && ctx.Err() == nil {
			s.options.Log.Error(err, "Failed to read the outbox")
		}
		if err != nil || len(mails) == 0 {
			return
		}
		for _, mail := range mails {
			if time.Until(leased) < 2*sendTimeout {
				return // noting took long; another sender may claim the rest soon
			}
			s.sendOne(ctx, transport, mail, leased)
		}
	}
}

// sendOne carries a claimed mail through even where ctx ends, or the mail would
// wait for the end of its lease.
func (s *Sender) sendOne(ctx context.Context, transport *transport, mail store.Mail, leased time.Time) {
	err := s.send(context.WithoutCancel(ctx), transport, mail)
	if err == nil {
		s.note(ctx, mail, leased, func(ctx context.Context) error { return s.options.Queue.MailSent(ctx, mail.ID) })
		return
	}
	s.options.Log.Error(err, "Failed to send a mail", "mail", mail.ID, "tenant", mail.Tenant, "member", mail.Member, "attempts", mail.Attempts)
	retryAt := s.options.Now().Add(retryAfter(mail.Attempts))
	s.note(ctx, mail, leased, func(ctx context.Context) error {
		return s.options.Queue.MailFailed(ctx, mail.ID, reasonOf(err), retryAt)
	})
}

func (s *Sender) send(ctx context.Context, transport *transport, mail store.Mail) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	message, err := s.message(ctx, transport, mail)
	if errors.Is(err, store.ErrNotFound) {
		return nil // the member has gone, and nobody waits for the mail
	}
	if err != nil {
		return err
	}
	return deliver(ctx, transport, message)
}

// note writes down what became of a mail. While the database is away it tries
// again for as long as the mail is leased, so that an outage sends nothing twice;
// where ctx ends, for sendTimeout.
func (s *Sender) note(ctx context.Context, mail store.Mail, leased time.Time, write func(context.Context) error) {
	lasting, cancel := context.WithDeadline(context.WithoutCancel(ctx), leased)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(sendTimeout, cancel) })
	defer stop()
	for {
		err := write(lasting)
		if err == nil {
			return
		}
		s.options.Log.Error(err, "Failed to note what became of a mail", "mail", mail.ID)
		if _, away := errors.AsType[*admin.UnavailableError](err); !away {
			return
		}
		select {
		case <-time.After(noteRetry):
		case <-lasting.Done():
			return
		}
	}
}

// deliver sends one message over a connection of its own.
func deliver(ctx context.Context, transport *transport, message *gomail.Msg) error {
	err := transport.client.DialAndSendWithContext(ctx, message)
	if message.IsDelivered() {
		return nil // only the good-bye failed
	}
	return err
}

// retryAfter is the wait after so many attempts: 30 s doubling to 1 h.
func retryAfter(attempts int) time.Duration {
	wait := firstRetry
	for ; attempts > 1 && wait < longestRetry; attempts-- {
		wait *= 2
	}
	return min(wait, longestRetry)
}

// reasonOf is the failure in words that stay the same from try to try; the
// message ID and the recipient are known anyway.
func reasonOf(err error) string {
	reason, _, _ := strings.Cut(err.Error(), ", affected ")
	return reason
}
