//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"net/url"
	"os"
	"strings"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// makeMistakes gives a server a wrong database password, then an image that does not exist, and mends each.
func (c *cluster) makeMistakes() {
	database, err := url.Parse(os.Getenv("TEGATA_E2E_POSTGRES"))
	c.Expect(err).NotTo(HaveOccurred())
	database.Path = "/spare"
	right := database.String()
	database.User = url.UserPassword(database.User.Username(), "a-wrong-password")
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "mistakes", Name: "database"},
		StringData: map[string]string{"url": database.String()},
	}
	p := c.newPlace("mistakes", &v1alpha1.IdentityServer{Spec: v1alpha1.IdentityServerSpec{
		ExternalURL: "http://127.0.0.1:18083", Deployment: &v1alpha1.DeployedServer{Replicas: 1},
		Storage: &v1alpha1.Storage{Postgres: &v1alpha1.PostgresStorage{
			ConnectionSecretRef: v1alpha1.SecretKeyReference{Name: secret.Name, Key: "url"},
		}},
	}}, 1, secret)
	p.awaitProblem("password")
	p.Expect(p.problem()).NotTo(ContainSubstring("a-wrong-password"))

	p.change(secret, func() { secret.StringData = map[string]string{"url": right} })
	p.awaitServing()
	l := newLoad(p)
	browser, member := l.browser(false), p.members[0]
	p.choosePassword(browser, member)
	p.readMetadata(browser.HTTP)

	p.change(p.server, func() { p.server.Spec.Deployment.Image = "localhost/tegata-idp:not-built" })
	p.awaitProblem("cannot be pulled")
	p.expectSession(l, browser, member)
	p.change(p.server, func() { p.server.Spec.Deployment.Image = "" })
	p.awaitReady(p.server)
	p.rollout()
	p.expectSession(l, browser, member)
}

// change updates an object as it is now.
func (p *place) change(object client.Object, edit func()) {
	p.t.Helper()
	p.Eventually(func() error {
		if err := p.k8s.Get(p.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		edit()
		return p.k8s.Update(p.t.Context(), object)
	}, patience, glance).Should(Succeed())
}

// problem is what the server's Ready condition says while it is not True.
func (p *place) problem() (string, error) {
	if err := p.k8s.Get(p.t.Context(), client.ObjectKeyFromObject(p.server), p.server); err != nil {
		return "", err
	}
	ready := apimeta.FindStatusCondition(p.server.Status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil || ready.Status == metav1.ConditionTrue || ready.ObservedGeneration != p.server.Generation {
		return "", nil
	}
	return ready.Message, nil
}

// awaitProblem awaits that the Ready condition explains what is wrong in these words.
func (p *place) awaitProblem(words string) {
	p.t.Helper()
	p.Eventually(func() (string, error) {
		message, err := p.problem()
		return strings.ToLower(message), err
	}, patience, glance).Should(ContainSubstring(words))
	message, err := p.problem()
	p.Expect(err).NotTo(HaveOccurred())
	p.t.Logf("CONDITION %s", message)
}
