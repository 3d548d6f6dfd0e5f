/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package idp_test

import (
	"io"

	"github.com/emersion/go-smtp"
)

// delivery is one connection to a postbox.
type delivery struct {
	box *postbox
	to  []string
}

func (*delivery) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = append(d.to, to)
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	d.box.mu.Lock()
	defer d.box.mu.Unlock()
	for _, to := range d.to {
		d.box.mails[to]++
	}
	return nil
}

func (d *delivery) Reset()      { d.to = nil }
func (*delivery) Logout() error { return nil }
