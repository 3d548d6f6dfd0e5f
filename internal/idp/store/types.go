/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"io"
	"time"

	"github.com/go-logr/logr"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// ErrNotFound is returned for what is unknown, and where stated also for what
// is expired, used, deleted or suspended. It is admin.ErrNotFound.
var ErrNotFound = admin.ErrNotFound

// Options say where the database is and what time and chance are.
type Options struct {
	// SQLitePath is the path of a database file, made when absent; or
	SQLitePath string
	// PostgresDSN is a PostgreSQL connection string or URL. Exactly one is set.
	PostgresDSN string
	// Key is 32 bytes; it seals private keys and mails at rest.
	Key []byte
	// Version is what About tells.
	Version string
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Random is the source of tokens and IDs; default crypto/rand.Reader.
	Random io.Reader
	// PasswordLinkLifetime is how long a mailed link can be used; default 168 h (O3.3).
	PasswordLinkLifetime time.Duration
	// DeletedRetention is how long a deleted member can be restored; default 30 days.
	DeletedRetention time.Duration
	// AuditRetention is how long audit entries are kept; default 400 days.
	AuditRetention time.Duration
	// Log takes what nobody waits for; default discards.
	Log logr.Logger
}

// PasswordKind is what kind of password an account has.
type PasswordKind string

// The password kinds.
const (
	PasswordNone      PasswordKind = ""
	PasswordTemporary PasswordKind = "Temporary"
	PasswordSet       PasswordKind = "Set"
)

// Account is a member with its credential. It must never be logged.
type Account struct {
	directory.Member
	// ID is the public member ID, a UUID.
	ID           string
	PasswordKind PasswordKind
	// PasswordHash is a PHC string: $argon2id$… or, for temporary ones, $sha256$salt$hash.
	PasswordHash string
	// PasswordExpiresAt is the end of a temporary password; zero is never.
	PasswordExpiresAt time.Time
	// LastLogin is zero until the first log-in.
	LastLogin time.Time
}

// String hides the hash from logs.
func (a Account) String() string { return "[account " + a.Tenant + "/" + a.Name + "]" }

// GoString hides the hash from %#v.
func (a Account) GoString() string { return a.String() }

// Session is a member's log-in in one browser.
type Session struct {
	// ID is random, and what each app's SessionIndex is made of; it is not the token.
	ID              string
	Tenant, Member  string
	AuthenticatedAt time.Time
	ExpiresAt       time.Time
	Address         string
	UserAgent       string
	// TenantRevision is the tenant's at the moment the session was read; see
	// Store.TenantAt. It is not stored.
	TenantRevision int64

	// memberBody is the member at that moment; see Store.Participate.
	memberBody string
}

// Mail is one mail of the outbox, claimed by this process.
type Mail struct {
	ID string
	// Purpose says which template it is; MailPasswordLink or MailCertificateEnds.
	Purpose  string
	To       string
	Language string
	// Payload is the purpose's JSON, unsealed; it holds secrets.
	Payload []byte
	// Attempts counts the claims, this one included.
	Attempts  int
	CreatedAt time.Time
	// Tenant and Member name whom the mail is for.
	Tenant, Member string
}

// String hides the payload from logs.
func (m Mail) String() string { return "[mail " + m.ID + "]" }

// GoString hides the payload from %#v.
func (m Mail) GoString() string { return m.String() }

// MailPasswordLink is the Purpose of a mail with a password link; its payload
// is a PasswordLinkPayload.
const MailPasswordLink = "PasswordLink"

// PasswordLinkPayload is the payload of a MailPasswordLink; the link is
// <externalURL>/password/<token>.
type PasswordLinkPayload struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
}
