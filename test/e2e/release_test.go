//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	release = "tegata"
	// systemNamespace holds the operator and the identity server of the release, as config/samples expects it.
	systemNamespace = "identity-system"
	firstVersion    = "e2e-1"
	secondVersion   = "e2e-2"
	// siteURL is what browsers see of the release's identity server: plain http needs a loopback address.
	siteAddress = "127.0.0.1:18080"
	siteURL     = "http://" + siteAddress
)

var restricted = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// helm runs the real Helm; what it keeps goes with the run.
func (c *cluster) helm(arguments ...string) string {
	c.t.Helper()
	home := filepath.Join(os.Getenv("TEGATA_E2E_WORK"), "helm")
	return c.run("env", append([]string{"HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home,
		os.Getenv("TEGATA_E2E_HELM"), "--namespace", systemNamespace}, arguments...)...)
}

// setImages are Helm's flags for one version of the images.
func setImages(version string) []string {
	var flags []string
	for _, name := range []string{"operator", "idp"} {
		flags = append(flags, "--set", "image."+name+".repository=localhost/tegata-"+name, "--set", "image."+name+".tag="+version)
	}
	return flags
}

// upgrade changes the release and awaits that Helm finds it well.
func (c *cluster) upgrade(flags ...string) {
	c.t.Helper()
	c.helm(append([]string{"upgrade", release, repository("charts/tegata"), "--reuse-values", "--wait", "--timeout", "4m"}, flags...)...)
}

// install installs the chart as an administrator would: the operator with the CRDs, then the identity server with its database.
func (c *cluster) install() *v1alpha1.IdentityServer {
	c.t.Helper()
	c.helm(append([]string{"install", release, repository("charts/tegata"), "--wait", "--timeout", "4m"}, setImages(firstVersion)...)...)
	c.upgrade("--values", "testdata/identityserver.yaml")
	server := &v1alpha1.IdentityServer{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "id"}}
	c.awaitReady(server)
	return server
}

// prepare makes what has to be there before the chart: a namespace and the Secret with the database's address.
func (c *cluster) prepare() {
	c.t.Helper()
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace, Labels: restricted}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "tegata-database"},
			StringData: map[string]string{"url": os.Getenv("TEGATA_E2E_POSTGRES")},
		},
	} {
		c.Expect(c.k8s.Create(c.t.Context(), object)).To(Succeed())
	}
}

// siteOf is host:port of the Service that browsers' requests go to.
func (c *cluster) siteOf(server *v1alpha1.IdentityServer) string {
	c.t.Helper()
	service := &corev1.Service{}
	c.Expect(c.k8s.Get(c.t.Context(), client.ObjectKey{Namespace: server.Namespace, Name: server.Status.Service}, service)).To(Succeed())
	return service.Spec.ClusterIP + ":80"
}

// applySamples applies config/samples, whose identity server the chart brought.
func (c *cluster) applySamples() *v1alpha1.Member {
	c.t.Helper()
	c.kubectl("apply", "--server-side", "--validate=strict", "-k", "testdata/samples")
	taro := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "yamada-taro"}}
	wiki := &v1alpha1.SAMLApp{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "wiki"}}
	c.awaitReady(taro, wiki)
	return taro
}

// logInByBrowser takes a member of the samples from the temporary password to the portal and to an app that verifies.
func (c *cluster) logInByBrowser(taro *v1alpha1.Member) *tab {
	c.t.Helper()
	password := c.temporaryPassword(taro)
	browser := newTab(c.t)
	browser.firstLogIn(taro.Spec.Mail, password, chosenPassword, "太郎")
	return browser
}

// testRelease has the chart's own tests run.
func (c *cluster) testRelease() {
	c.t.Helper()
	start := time.Now()
	output := c.helm("test", release, "--timeout", "3m")
	c.Expect(output).To(ContainSubstring("Succeeded"))
	summary.add("helm test", "%.1f s", time.Since(start).Seconds())
}

// uninstall removes what the operator has to let go of, then the release; the CRDs must stay.
func (c *cluster) uninstall() {
	c.t.Helper()
	c.kubectl("delete", "namespace", "acme", "--wait", "--timeout=3m")
	c.kubectl("-n", systemNamespace, "delete", "identityserver", "id", "--wait", "--timeout=3m")
	c.helm("uninstall", release, "--wait", "--timeout", "3m")
	c.Expect(strings.Fields(c.kubectl("get", "crd", "-o", "name"))).To(ContainElement(ContainSubstring("members.identity.tegata.dev")))
	c.kubectl("delete", "namespace", systemNamespace, "--wait", "--timeout=3m")
}
