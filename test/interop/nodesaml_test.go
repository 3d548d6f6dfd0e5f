/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
)

const (
	entityID = "https://wiki.acme.example/saml"
	// relayState is what serviceprovider.mjs sends with its requests.
	relayState = "/reports/2026?month=11&name=営業 (east)!'~*"
)

// login is what serviceprovider.mjs answers.
type login struct {
	Profile    map[string]any `json:"profile"`
	RelayState string         `json:"relayState"`
	LoggedOut  bool           `json:"loggedOut"`
	Error      string         `json:"error"`
}

// nodeSAML is a service provider on @node-saml/node-saml.
type nodeSAML struct {
	*world
	// provider is its address.
	provider string
	// key is its own, to sign and to decrypt with.
	key admin.KeyPair
	app *directory.App
}

// strict is the library at its strictest. It tolerates no difference of clocks.
func strict(w *world) map[string]any {
	return map[string]any{
		"entryPoint": endpoints.SingleSignOn(w.url, tenant), "idpIssuer": endpoints.Issuer(w.url, tenant), "idpCert": string(w.key.Certificate),
		"issuer": entityID, "audience": entityID, "acceptedClockSkewMs": 0, "validateInResponseTo": "always",
		"wantAuthnResponseSigned": true, "wantAssertionsSigned": true, "signatureAlgorithm": "sha256", "digestAlgorithm": "sha256",
	}
}

// newNodeSAML starts one with the given options over the strict ones, and
// declares it to the IdP after change had a look at the app.
func newNodeSAML(w *world, options map[string]any, change func(*directory.App)) *nodeSAML {
	w.t.Helper()
	n := &nodeSAML{world: w, key: serviceKey()}
	all := strict(w)
	all["certificate"] = string(n.key.Certificate)
	for name, value := range options {
		all[name] = value
	}
	n.start(all)
	n.app = newApp("wiki", entityID, n.provider+"/acs")
	n.app.SAML.Certificates = []directory.ServiceProviderCertificate{{PEM: string(n.key.Certificate)}}
	if change != nil {
		change(n.app)
	}
	w.publishApp(n.app)
	return n
}

// signs are the options that make it sign its requests.
func signs() map[string]any { return map[string]any{"privateKey": string(serviceKey().PrivateKey)} }

// start runs serviceprovider.mjs until the test ends.
func (n *nodeSAML) start(options map[string]any) {
	if _, err := os.Stat("node_modules/@node-saml/node-saml"); err != nil {
		n.t.Fatal("the Node packages are missing; run npm ci in test/interop, or make interop: ", err)
	}
	argument, err := json.Marshal(options)
	n.Expect(err).NotTo(HaveOccurred())
	command := exec.Command("node", "serviceprovider.mjs", string(argument))
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	n.Expect(err).NotTo(HaveOccurred())
	output, err := command.StdoutPipe()
	n.Expect(err).NotTo(HaveOccurred())
	n.Expect(command.Start()).To(Succeed())
	n.t.Cleanup(func() {
		n.Expect(input.Close()).To(Succeed())
		n.Expect(command.Wait()).To(Succeed())
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	n.Expect(err).NotTo(HaveOccurred())
	n.provider = strings.TrimSpace(line)
}

// logInBy starts at the service provider by redirect or post, logs in where
// that is asked for, and reads what came of it.
func (n *nodeSAML) logInBy(browser *formclient.Client, binding string) login {
	n.t.Helper()
	page := n.visit(browser, n.provider+"/"+binding)
	if _, err := page.FormWith("mail", "password"); err == nil {
		page = n.logIn(browser, page)
	}
	return n.arrive(browser, page)
}

// arrive submits a SAML response and reads the service provider's answer.
func (n *nodeSAML) arrive(browser *formclient.Client, page *formclient.Page) login {
	n.t.Helper()
	return n.read(n.relay(browser, page))
}

func (n *nodeSAML) read(page *formclient.Page) login {
	n.t.Helper()
	var got login
	n.Expect(json.Unmarshal(page.Body, &got)).To(Succeed(), "%s (status %d): %s", page.URL, page.Status, page.Text())
	return got
}

func (n *nodeSAML) expectProfile(got login) {
	n.t.Helper()
	n.Expect(got.Error).To(BeEmpty())
	n.Expect(got.RelayState).To(Equal(relayState))
	n.Expect(got.Profile).To(HaveKeyWithValue("issuer", endpoints.Issuer(n.url, tenant)))
	n.Expect(got.Profile).To(HaveKeyWithValue("nameID", mail))
	n.Expect(got.Profile).To(HaveKeyWithValue("nameIDFormat", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"))
	n.Expect(got.Profile).To(HaveKeyWithValue("displayName", shownName))
	n.Expect(got.Profile).To(HaveKeyWithValue("employeeNumber", employee))
	n.Expect(got.Profile["groups"]).To(ConsistOf("営業部", "東京"))
	n.Expect(got.Profile).To(HaveKeyWithValue("permission", "viewer"))
	n.Expect(got.Profile).To(HaveKeyWithValue("urn:example:environment", "production"))
	n.Expect(got.Profile["sessionIndex"]).NotTo(BeEmpty())
}
