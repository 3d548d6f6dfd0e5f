/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
)

// TestNobodyDeletedWithTheServerComesBack deletes everything while no operator
// runs. The one that starts afterwards must not leave an account in the database.
func TestNobodyDeletedWithTheServerComesBack(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	data := t.TempDir()
	stop := startOperator(c.operator.Config(), data)
	t.Cleanup(func() { stop() })
	p := newNamespaceIn(t, c)
	p.settle()
	stays, goes := p.member("stays", temporary), p.member("goes", temporary)
	p.create(stays, goes)
	p.current(stays, goes)
	password := p.temporaryPassword(goes)
	stop()

	server, tenant := p.identityServer(), p.tenant()
	p.remove(server, goes)
	stop = startOperator(c.operator.Config(), data)
	p.gone(server, goes)
	p.create(p.identityServer())
	p.current(tenant, stays)
	p.Expect(p.logIn(goes.Spec.Mail, password)).To(Equal(refusedLogIn))
	p.Expect(p.logIn(stays.Spec.Mail, p.temporaryPassword(stays))).To(Equal(forcedChange))
}

func TestLostEncryptionSecretLocksNobodyOut(t *testing.T) {
	p := newPlace(t)
	server := p.identityServer()
	secret := &corev1.Secret{ObjectMeta: p.meta("id-encryption")}
	p.refresh(secret)
	p.remove(secret)
	p.Expect(p.stalled(server, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring("restore it from your backup"))
	member := p.member("sato", temporary)
	p.create(member)
	p.current(member)
	p.Expect(p.logIn(member.Spec.Mail, p.temporaryPassword(member))).To(Equal(forcedChange))

	p.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name}, Data: secret.Data})
	p.current(server)
}
