/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package idp is the identity provider as a whole: the database, the site for
// browsers, the workers, and the contract with the operator. It holds no
// Kubernetes credentials and needs none to log anybody in.
package idp

import (
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/idp/password"
)

// Options are what a Server is made with. Required: ExternalURL, one of
// Listener and Address, one of SQLitePath and PostgresDSN, Key.
type Options struct {
	// ExternalURL is the origin browsers see: https, or http on a loopback host; no path.
	ExternalURL string
	// Listener serves browsers, by plain HTTP: TLS ends in front of it, or in a
	// TLS listener given here. Run closes it.
	Listener net.Listener
	// Address is listened on where there is no Listener, for example ":8080".
	Address string
	// SQLitePath is a database file, made when absent; or
	SQLitePath string
	// PostgresDSN is a PostgreSQL connection string.
	PostgresDSN string
	// Key is 32 bytes; it seals secrets at rest.
	Key []byte
	// SMTP is where mail goes; nil lets mails wait in the outbox.
	SMTP *mail.SMTPOptions
	// TrustedProxies may say by X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// SessionLifetime is absolute from the log-in; default 12 h.
	SessionLifetime time.Duration
	// AuditRetention is how long audit entries are kept; default 400 days.
	AuditRetention time.Duration
	// Password tunes argon2id; zero fields take the defaults.
	Password password.Options
	// DrainDelay is how long requests are still taken after readiness went off,
	// so that load balancers learn of it; default 0.
	DrainDelay time.Duration
	// Version is what the operator is told.
	Version string
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Random must be safe for concurrent use; default crypto/rand.Reader.
	Random io.Reader
	Log    logr.Logger
	// Registerer takes the metrics; nil keeps them to the server itself.
	Registerer prometheus.Registerer
}
