/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"database/sql"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"tegata.dev/tegata/api/v1alpha1"
)

// emptied is the object without any key; the API server takes no other way.
func (p *place) emptied(secret *corev1.Secret) {
	p.t.Helper()
	p.change(secret, func() { secret.Data = nil })
}

func TestDatabaseSecretsThatCannotBeUsed(t *testing.T) {
	p := newNamespace(t)
	server := p.identityServer()
	server.Spec.Storage = &v1alpha1.Storage{Postgres: &v1alpha1.PostgresStorage{
		ConnectionSecretRef: v1alpha1.SecretKeyReference{Name: "db", Key: "dsn"}}}
	secret := &corev1.Secret{ObjectMeta: p.meta("db")}
	p.create(secret, server)
	p.Expect(p.stalled(server, v1alpha1.InvalidReferenceReason)).To(And(
		ContainSubstring(`Secret "db" has no key "dsn"; add it`), ContainSubstring("spec.storage.postgres.connectionSecretRef")))
	p.change(secret, func() { secret.Data = map[string][]byte{"url": []byte("postgres://127.0.0.1:1/tegata")} })
	p.stalled(server, v1alpha1.InvalidReferenceReason)
	p.change(secret, func() { secret.Data = map[string][]byte{"dsn": {}} })
	p.Eventually(func() string { return p.stalled(server, v1alpha1.InvalidReferenceReason) }, patience, glance).
		Should(ContainSubstring(`Secret "db" has nothing in key "dsn"; fill it`))
	p.change(secret, func() { secret.Data = map[string][]byte{"dsn": []byte("s3cr3t-word is no connection string")} })
	message := p.waiting(server, v1alpha1.StartFailedReason)
	p.Expect(message).To(And(ContainSubstring("connection string cannot be parsed"), Not(ContainSubstring("s3cr3t-word"))))
	p.emptied(secret)
	p.stalled(server, v1alpha1.InvalidReferenceReason)
	p.change(server, func() { server.Spec.Storage = nil })
	p.current(server)
}

func TestMailSecretsThatCannotBeUsed(t *testing.T) {
	p := newPlace(t)
	server := p.identityServer()
	p.change(server, func() {
		server.Spec.Mail = &v1alpha1.MailSettings{From: "id@" + p.namespace + ".example", SMTP: v1alpha1.SMTPServer{
			Host: "127.0.0.1", Port: 2525, TLS: v1alpha1.SMTPPlain, CredentialsSecretRef: &v1alpha1.SecretReference{Name: "smtp"}}}
	})
	p.Expect(p.stalled(server, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring(`Secret "smtp" does not exist`))
	secret := &corev1.Secret{ObjectMeta: p.meta("smtp"), StringData: map[string]string{corev1.BasicAuthUsernameKey: "tegata"}}
	p.create(secret)
	p.Expect(p.stalled(server, v1alpha1.InvalidReferenceReason)).To(And(
		ContainSubstring(`Secret "smtp" has no key "password"; add it`), ContainSubstring("spec.mail.smtp.credentialsSecretRef")))
	p.emptied(secret)
	p.Eventually(func() string { return p.stalled(server, v1alpha1.InvalidReferenceReason) }, patience, glance).
		Should(ContainSubstring(`no key "username"`))

	// What ran goes on with the settings it has.
	member := p.member("sato", temporary)
	p.create(member)
	p.current(member)
	p.Expect(p.logIn(member.Spec.Mail, p.temporaryPassword(member))).To(Equal(forcedChange))
	p.change(secret, func() {
		secret.Data = map[string][]byte{corev1.BasicAuthUsernameKey: []byte("tegata"), corev1.BasicAuthPasswordKey: []byte("s3cr3t-word")}
	})
	p.current(server, member)
}

func TestEncryptionSecretsThatCannotBeUsed(t *testing.T) {
	p := newNamespace(t)
	short := &corev1.Secret{ObjectMeta: p.meta("id-encryption"), Data: map[string][]byte{"key": []byte("s3cr3t-word")}}
	server := p.identityServer()
	p.create(short, server)
	message := p.stalled(server, v1alpha1.InvalidReferenceReason)
	p.Expect(message).To(And(ContainSubstring(`Secret "id-encryption" must hold 32 bytes in "key"`), Not(ContainSubstring("s3cr3t-word"))))
	p.emptied(short)
	p.stalled(server, v1alpha1.InvalidReferenceReason)
	right := []byte("0123456789abcdef0123456789abcdef")
	p.change(short, func() { short.Data = map[string][]byte{"key": right} })
	p.current(server)

	t.Run("one that does not fit the database", func(*testing.T) {
		p.change(short, func() { short.Data["key"] = []byte("fedcba9876543210fedcba9876543210") })
		p.Expect(p.waiting(server, v1alpha1.StartFailedReason)).To(ContainSubstring("sealing key is not the one this database was made with"))
		p.change(short, func() { short.Data["key"] = right })
		p.current(server)
	})
}

// TestDatabaseOfANewerProgram stands for an operator that was set back to an
// older version after a newer one had changed the database.
func TestDatabaseOfANewerProgram(t *testing.T) {
	p := newPlace(t)
	member := p.member("sato", temporary)
	p.create(member)
	p.current(member)
	password := p.temporaryPassword(member)
	database := must(sql.Open("sqlite", filepath.Join(sharedData, p.namespace, "id", "tegata.db")+"?_pragma=busy_timeout(10000)"))
	t.Cleanup(func() { p.Expect(database.Close()).To(Succeed()) })
	alter := func(statement string) { must(database.ExecContext(ctx, statement)) }

	alter(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
	server := p.identityServer()
	// Any change of what the server reads starts it again.
	p.change(server, func() { server.Spec.TrustedProxies = []v1alpha1.CIDR{"10.0.0.0/8"} })
	p.Expect(p.waiting(server, v1alpha1.StartFailedReason)).To(And(
		ContainSubstring("schema version 99999, newer than"), ContainSubstring("use the newer program or restore a backup")))
	p.waiting(member, v1alpha1.IdentityServerNotReadyReason)
	p.Expect(httpGet(p.url + "/healthz")).To(BeZero())

	alter(`DELETE FROM goose_db_version WHERE version_id = 99999`)
	p.current(server, member)
	p.Expect(p.logIn(member.Spec.Mail, password)).To(Equal(forcedChange))
}
