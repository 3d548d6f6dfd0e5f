/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"errors"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

var _ admin.Service = (*Store)(nil)

var errPending = errors.New("not written yet")

type Store struct{}

func Open(ctx context.Context, o Options) (*Store, error) { return nil, errPending }
func (s *Store) Close() error                             { return nil }

func (s *Store) AccountByMail(ctx context.Context, mail string) (*Account, error) {
	return nil, errPending
}
func (s *Store) Account(ctx context.Context, tenant, name string) (*Account, error) {
	return nil, errPending
}
func (s *Store) Tenant(ctx context.Context, slug string) (*Tenant, error) { return nil, errPending }
func (s *Store) Image(ctx context.Context, tenant string, kind admin.Kind, name string) (*directory.Image, error) {
	return nil, errPending
}
func (s *Store) CreateSession(ctx context.Context, session Session) (string, error) {
	return "", errPending
}
func (s *Store) Session(ctx context.Context, token string) (*Session, *Account, error) {
	return nil, nil, errPending
}
func (s *Store) EndSession(ctx context.Context, token string) error { return errPending }
func (s *Store) SaveFlow(ctx context.Context, body []byte, lifetime time.Duration) (string, error) {
	return "", errPending
}
func (s *Store) Flow(ctx context.Context, id string) ([]byte, error) { return nil, errPending }
func (s *Store) DeleteFlow(ctx context.Context, id string) error     { return errPending }
func (s *Store) Attempt(ctx context.Context, mail, address string) (time.Duration, error) {
	return 0, errPending
}
func (s *Store) AttemptSucceeded(ctx context.Context, mail, address string) error { return errPending }
func (s *Store) SetPassword(ctx context.Context, tenant, member, phcHash, keepSession string, entry admin.AuditEntry) error {
	return errPending
}
func (s *Store) PasswordLink(ctx context.Context, token string) (*Account, error) {
	return nil, errPending
}
func (s *Store) UsePasswordLink(ctx context.Context, token, phcHash string, entry admin.AuditEntry) (*Account, error) {
	return nil, errPending
}
func (s *Store) Audit(ctx context.Context, entry admin.AuditEntry) error { return errPending }
func (s *Store) ClaimMails(ctx context.Context, limit int, lease time.Duration) ([]Mail, error) {
	return nil, errPending
}
func (s *Store) MailSent(ctx context.Context, id string) error { return errPending }
func (s *Store) MailFailed(ctx context.Context, id, reason string, retryAt time.Time) error {
	return errPending
}
func (s *Store) MailPending() <-chan struct{}      { return nil }
func (s *Store) Cleanup(ctx context.Context) error { return errPending }

func (s *Store) Apply(ctx context.Context, changes []admin.Change) ([]admin.Result, error) {
	return nil, errPending
}
func (s *Store) Digests(ctx context.Context, after admin.Key, limit int) ([]admin.KeyDigest, error) {
	return nil, errPending
}
func (s *Store) Notices(ctx context.Context, limit int, wait time.Duration) ([]admin.Notice, error) {
	return nil, errPending
}
func (s *Store) Acknowledge(ctx context.Context, notices []admin.Notice) error { return errPending }
func (s *Store) SetTemporaryPassword(ctx context.Context, password admin.TemporaryPassword) (*admin.MemberState, error) {
	return nil, errPending
}
func (s *Store) EndSessions(ctx context.Context, member admin.Key) error { return errPending }
func (s *Store) SearchAudit(ctx context.Context, query admin.AuditQuery) ([]admin.AuditEntry, error) {
	return nil, errPending
}
func (s *Store) Ping(ctx context.Context) error { return errPending }
