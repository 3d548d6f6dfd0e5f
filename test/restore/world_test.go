/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package restore

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

// chosenPassword is what members choose in these tests.
const chosenPassword = "Kisaragi-Eki-0229"

// world is what outlives a cluster: Git, the backup, people and the service provider.
type world struct {
	*WithT
	t *testing.T
	// folder is where commands run; git, below it, holds the manifests.
	folder, git string
	// data is the operator's --data-dir.
	data string
	// dsn is PostgreSQL's; empty for SQLite.
	dsn, url string

	provider *saml.ServiceProvider
	// before is what the first cluster came to.
	before snapshot
	// temporary is ito's password that was never used.
	temporary string
}

// snapshot is what must be the same after a restore.
type snapshot struct {
	ids          map[string]string
	fingerprints []string
	// subject is what the service provider knows sato by.
	subject subject
}

type subject struct{ nameID, id, group string }

func newWorld(t *testing.T, dsn string) *world {
	t.Helper()
	w := &world{WithT: NewWithT(t), t: t, folder: t.TempDir(), data: filepath.Join(t.TempDir(), "data"), dsn: dsn}
	w.git = filepath.Join(w.folder, "git")
	w.Expect(os.Mkdir(w.git, 0o700)).To(Succeed())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	address := listener.Addr().String()
	w.Expect(listener.Close()).To(Succeed())
	w.url = "http://" + address
	storage := "{sqlite: {}}"
	if dsn != "" {
		storage = "{postgres: {connectionSecretRef: {name: tegata-database, key: url}}}"
	}
	files, err := filepath.Glob("testdata/git/*.yaml")
	w.Expect(err).NotTo(HaveOccurred())
	for _, file := range files {
		content, err := os.ReadFile(file) // #nosec G304 -- the test's own data
		w.Expect(err).NotTo(HaveOccurred())
		w.commit(filepath.Base(file), strings.NewReplacer("ADDRESS", address, "STORAGE", storage).Replace(string(content)))
	}
	return w
}

// in is the same world, failing the subtest t.
func (w *world) in(t *testing.T) *world {
	other := *w
	other.t, other.WithT = t, NewWithT(t)
	return &other
}

// commit writes a file of Git.
func (w *world) commit(name, content string) {
	w.t.Helper()
	w.Expect(os.WriteFile(filepath.Join(w.git, name), []byte(content), 0o600)).To(Succeed())
}

// applyNamespaces is what a restore begins with.
func (w *world) applyNamespaces(c *cluster) { w.shell(c, "kubectl apply -f git/namespaces.yaml") }

// applyGit applies everything at once, and awaits that all of it is Ready.
func (w *world) applyGit(c *cluster) {
	w.t.Helper()
	w.applyNamespaces(c)
	w.shell(c, "kubectl apply -f git")
	w.document(c, "## Restoring into an empty cluster", "kubectl wait")
}

func (w *world) member(c *cluster, name string) *v1alpha1.Member {
	w.t.Helper()
	member := &v1alpha1.Member{}
	w.Expect(c.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: "acme", Name: name}, member)).To(Succeed())
	return member
}

// temporaryPassword awaits the Secret that the member's status names.
func (w *world) temporaryPassword(c *cluster, name string) string {
	w.t.Helper()
	secret := &corev1.Secret{}
	w.Eventually(func(g Gomega) {
		member := &v1alpha1.Member{}
		g.Expect(c.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: "acme", Name: name}, member)).To(Succeed())
		g.Expect(member.Status.Password).NotTo(BeNil())
		g.Expect(member.Status.Password.SecretRef).NotTo(BeNil())
		g.Expect(c.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: "acme", Name: member.Status.Password.SecretRef.Name}, secret)).To(Succeed())
		g.Expect(secret.OwnerReferences).To(ConsistOf(HaveField("UID", member.UID)))
	}, patience, glance).Should(Succeed())
	return string(secret.Data[corev1.BasicAuthPasswordKey])
}

// What a log-in ends in.
const (
	loggedIn     = "logged in"
	forcedChange = "forced to change the password"
	refused      = "refused"
)

// logIn logs in with a new browser and says what came of it.
func (w *world) logIn(name, password string) (string, *formclient.Client, *formclient.Page) {
	w.t.Helper()
	browser := formclient.New()
	w.t.Cleanup(browser.HTTP.CloseIdleConnections)
	page, err := browser.Get(w.t.Context(), w.url+"/login")
	w.Expect(err).NotTo(HaveOccurred())
	page, err = browser.LogIn(w.t.Context(), page, name+"@acme.example", password)
	w.Expect(err).NotTo(HaveOccurred())
	if _, err := page.FormWith("password", "confirmation"); err == nil {
		return forcedChange, browser, page
	}
	if page.Status == http.StatusOK && page.URL.Path == "/" {
		return loggedIn, browser, page
	}
	return refused, browser, page
}

func (w *world) outcome(name, password string) string {
	w.t.Helper()
	outcome, _, _ := w.logIn(name, password)
	return outcome
}

// choose has a member log in with a temporary password and choose one.
func (w *world) choose(name, temporary string) {
	w.t.Helper()
	outcome, browser, page := w.logIn(name, temporary)
	w.Expect(outcome).To(Equal(forcedChange))
	page, err := browser.SetPassword(w.t.Context(), page, chosenPassword)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(page.URL.Path).To(Equal("/"), page.Text())
}

// readMetadata makes the service provider trust what the tenant's metadata says now, and never again.
func (w *world) readMetadata() {
	w.t.Helper()
	response, err := http.Get(w.url + "/saml/acme/metadata")
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	w.Expect(err).NotTo(HaveOccurred())
	metadata := &saml.EntityDescriptor{}
	w.Expect(xml.Unmarshal(content, metadata)).To(Succeed())
	acs, err := url.Parse("https://wiki.example/saml/acs")
	w.Expect(err).NotTo(HaveOccurred())
	w.provider = &saml.ServiceProvider{
		EntityID: "https://wiki.example/saml/metadata", AcsURL: *acs, IDPMetadata: metadata, AuthnNameIDFormat: saml.PersistentNameIDFormat,
	}
}

// signOn logs sato in at the service provider, which checks the response.
func (w *world) signOn() (subject, error) {
	w.t.Helper()
	outcome, browser, _ := w.logIn("sato", chosenPassword)
	w.Expect(outcome).To(Equal(loggedIn))
	request, err := w.provider.MakeAuthenticationRequest(w.url+"/saml/acme/sso", saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	w.Expect(err).NotTo(HaveOccurred())
	target, err := request.Redirect("", w.provider)
	w.Expect(err).NotTo(HaveOccurred())
	page, err := browser.Get(w.t.Context(), target.String())
	w.Expect(err).NotTo(HaveOccurred())
	form, err := page.FormWith("SAMLResponse")
	w.Expect(err).NotTo(HaveOccurred(), page.Text())
	response, err := base64.StdEncoding.DecodeString(form.Fields.Get("SAMLResponse"))
	w.Expect(err).NotTo(HaveOccurred())
	assertion, err := w.provider.ParseXMLResponse(response, []string{request.ID}, w.provider.AcsURL)
	if invalid := (*saml.InvalidResponseError)(nil); errors.As(err, &invalid) {
		return subject{}, invalid.PrivateErr
	}
	w.Expect(err).NotTo(HaveOccurred())
	known := subject{nameID: assertion.Subject.NameID.Value}
	for _, attribute := range assertion.AttributeStatements[0].Attributes {
		switch attribute.Name {
		case "id":
			known.id = attribute.Values[0].Value
		case "groups":
			known.group = attribute.Values[0].Value
		default:
			w.Expect(attribute.Name).To(BeEmpty())
		}
	}
	return known, nil
}

// ids are the members' IDs as their status tells them.
func (w *world) ids(c *cluster) map[string]string {
	w.t.Helper()
	members, ids := &v1alpha1.MemberList{}, map[string]string{}
	w.Expect(c.k8s.List(w.t.Context(), members)).To(Succeed())
	for _, member := range members.Items {
		ids[member.Name] = member.Status.ID
	}
	return ids
}

// look takes a snapshot of a cluster in which everything is Ready.
func (w *world) look(c *cluster) snapshot {
	w.t.Helper()
	seen := snapshot{ids: w.ids(c)}
	tenant := &v1alpha1.Tenant{}
	w.Expect(c.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: "acme", Name: "acme"}, tenant)).To(Succeed())
	for _, certificate := range tenant.Status.Certificates {
		seen.fingerprints = append(seen.fingerprints, certificate.Fingerprint)
	}
	var err error
	seen.subject, err = w.signOn()
	w.Expect(err).NotTo(HaveOccurred())
	return seen
}
