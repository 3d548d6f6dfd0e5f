/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package inbox

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	// maxMessages is how many messages are kept; the oldest go first.
	maxMessages = 1000
	// maxBytes is how large one message may be.
	maxBytes = 4 << 20
	timeout  = 30 * time.Second
)

// Message is a mail that was caught.
type Message struct {
	// ID counts from 1 in the order of arrival.
	ID       int       `json:"id"`
	Received time.Time `json:"received"`
	// From and To are the envelope's addresses.
	From string   `json:"from"`
	To   []string `json:"to"`
	// Subject is decoded.
	Subject string `json:"subject"`
	// Text is the text part, Links the web addresses in it.
	Text  string   `json:"text"`
	Links []string `json:"links"`
}

// Inbox holds what was caught. Its zero value is empty and ready to use.
type Inbox struct {
	mu       sync.Mutex
	last     int
	messages []Message
}

// Messages are those caught so far, oldest first.
func (i *Inbox) Messages() []Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.messages)
}

// MessagesTo are those caught so far for one address, oldest first.
func (i *Inbox) MessagesTo(address string) []Message {
	return slices.DeleteFunc(i.Messages(), func(m Message) bool { return !slices.Contains(m.To, address) })
}

func (i *Inbox) add(m Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last++
	m.ID = i.last
	i.messages = append(i.messages, m)
	if surplus := len(i.messages) - maxMessages; surplus > 0 {
		i.messages = slices.Delete(i.messages, 0, surplus)
	}
}

// ServeSMTP takes mail from listener until it is closed, and closes the
// connections that are then open.
func (i *Inbox) ServeSMTP(listener net.Listener) error {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{inbox: i}, nil }))
	server.Domain = "localhost"
	server.EnableSMTPUTF8 = true
	server.MaxMessageBytes = maxBytes
	server.MaxRecipients = 100
	server.ReadTimeout, server.WriteTimeout = timeout, timeout
	err := server.Serve(listener)
	if closing := server.Close(); err == nil {
		err = closing
	}
	return err
}

// session is one SMTP connection.
type session struct {
	inbox *Inbox
	from  string
	to    []string
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(reader io.Reader) error {
	message, err := parse(reader)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: fmt.Sprintf("unreadable message: %v", err)}
	}
	message.Received = time.Now()
	message.From, message.To = s.from, s.to
	s.inbox.add(message)
	return nil
}
