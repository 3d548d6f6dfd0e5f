/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
)

// MailCertificateEnds is the Purpose of a mail that tells a SuperAdmin of the
// end of the tenant's signing certificate; its payload is a CertificateEndsPayload.
const MailCertificateEnds = "CertificateEnds"

// CertificateEndsPayload is the payload of a MailCertificateEnds.
type CertificateEndsPayload struct {
	EndsAt time.Time `json:"endsAt"`
	// Fingerprint is the certificate's SHA-256, upper-case hexadecimal with colons.
	Fingerprint string `json:"fingerprint"`
}

const (
	day = 24 * time.Hour
	// firstWarning and lastWarning are how long ahead a certificate's end is told.
	firstWarning, lastWarning = 30 * day, 7 * day
)

// endingCertificate is a tenant's certificate that ends soon.
type endingCertificate struct {
	tenant      string
	certificate []byte
	endsAt      int64
}

// warnOfCertificates puts mails to the SuperAdmins into the outbox where a
// signing certificate ends soon and nothing will replace it: one each 30 days
// and 7 days ahead, whatever number of processes call this.
func (s *Store) warnOfCertificates(ctx context.Context) error {
	now := s.options.Now().UnixMilli()
	ending, err := collect(ctx, s.reader, scanEnding, `SELECT slug, certificate, certificate_ends FROM tenants
		WHERE deleted_at IS NULL AND certificate_ends > $1 AND certificate_ends <= $2`, now, now+firstWarning.Milliseconds())
	if err != nil {
		return describe(err)
	}
	var failures []error
	for _, e := range ending {
		info, err := keypair.InspectCertificate(e.certificate)
		if err == nil {
			err = s.write(ctx, func(t *tx) error { return t.warnOfCertificate(ctx, e, info.SHA256Fingerprint) })
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("certificate of tenant %s: %w", e.tenant, err))
		}
	}
	return errors.Join(failures...)
}

func scanEnding(rows *sql.Rows) (endingCertificate, error) {
	var e endingCertificate
	return e, rows.Scan(&e.tenant, &e.certificate, &e.endsAt)
}

func (t *tx) warnOfCertificate(ctx context.Context, e endingCertificate, fingerprint string) error {
	ahead, expiresAt := firstWarning, e.endsAt-lastWarning.Milliseconds()
	if t.now >= expiresAt {
		ahead, expiresAt = lastWarning, e.endsAt
	}
	// The primary key lets one process through.
	written, err := t.exec(ctx, `INSERT INTO certificate_warnings (tenant, fingerprint, days) VALUES ($1, $2, $3)
		ON CONFLICT (tenant, fingerprint, days) DO NOTHING`, e.tenant, fingerprint, int64(ahead/day))
	if err != nil || written == 0 {
		return err
	}
	payload, err := json.Marshal(CertificateEndsPayload{EndsAt: fromMillis(e.endsAt), Fingerprint: fingerprint})
	if err != nil {
		return err
	}
	// The role stands in the body alone; most bodies need not be read.
	names, err := collect(ctx, t, scanString, `SELECT name FROM members
		WHERE tenant = $1 AND deleted_at IS NULL AND NOT suspended AND body LIKE '%"`+string(directory.RoleSuperAdmin)+`"%' ORDER BY name`, e.tenant)
	if err != nil {
		return err
	}
	for _, name := range names {
		row, err := readLiveMember(ctx, t, e.tenant, name)
		if err == nil && row.member.Role == directory.RoleSuperAdmin {
			err = t.enqueue(ctx, row, MailCertificateEnds, payload, expiresAt)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
