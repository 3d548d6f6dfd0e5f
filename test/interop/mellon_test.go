/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
)

const (
	apache = "/usr/sbin/apache2"
	// modules is where Debian puts them.
	modules = "/usr/lib/apache2/modules"
	// startPatience bounds the start of a service provider.
	startPatience = time.Minute
)

// mellonOptions are what differs between the cases.
type mellonOptions struct {
	// NameIDFormat is what it asks for, a URI; default emailAddress.
	NameIDFormat string
	// SignRequests announces and makes signed requests.
	SignRequests bool
	// OwnMetadata lets mellon write its metadata itself instead.
	OwnMetadata bool
	// IdPMetadata changes what it knows of the IdP; nil is what the IdP publishes.
	IdPMetadata func(string) string
	// TrustMetadata takes the IdP's metadata only with a signature by its key.
	TrustMetadata bool
	// Directives are more lines for the whole site.
	Directives string
}

// mellon is an Apache with mod_auth_mellon in front of /secret.
type mellon struct {
	*world
	mellonOptions
	// URL is the site's origin, EntityID its SAML name.
	URL, EntityID string
	Directory     string
	Address       string
	IdP           string
	Modules       string
	Root          bool
	// key is the service provider's own.
	key admin.KeyPair
	app *directory.App
}

// newMellon starts one that trusts the IdP, and declares it there after change
// had a look at the app.
func newMellon(w *world, options mellonOptions, change func(*directory.App)) *mellon {
	w.t.Helper()
	m := &mellon{world: w, mellonOptions: options, Address: freeAddress(w), IdP: endpoints.Issuer(w.url, tenant), Modules: modules, Root: os.Geteuid() == 0}
	m.URL = "http://" + m.Address
	m.EntityID = m.URL + "/mellon/metadata"
	m.key = serviceKey()
	m.write()
	m.start()
	m.app = newApp("mellon", m.EntityID, m.URL+"/mellon/postResponse")
	m.app.SAML.Certificates = []directory.ServiceProviderCertificate{{PEM: string(m.key.Certificate)}}
	if change != nil {
		change(m.app)
	}
	w.publishApp(m.app)
	return m
}

func freeAddress(w *world) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	defer listener.Close()
	return listener.Addr().String()
}

var mellonConfiguration = template.Must(template.New("apache").Parse(`ServerRoot "{{.Directory}}"
ServerName 127.0.0.1
Listen {{.Address}}
PidFile "{{.Directory}}/pid"
ErrorLog "{{.Directory}}/error.log"
LogLevel warn auth_mellon:debug
Mutex "file:{{.Directory}}" default
{{range $name := .ModuleNames}}LoadModule {{$name}}_module "{{$.Modules}}/mod_{{$name}}.so"
{{end}}{{if .Root}}User www-data
Group www-data
{{end}}StartServers 1
MinSpareServers 1
MaxRequestWorkers 4
MellonLockFile "{{.Directory}}/mellon.lock"
ScriptAlias /secret "{{.Directory}}/environment"
<Location />
	MellonEnable info
	MellonEndpointPath /mellon
	MellonIdP IDP
	MellonSPPrivateKeyFile "{{.Directory}}/sp.key"
	MellonSPCertFile "{{.Directory}}/sp.crt"
	MellonIdPMetadataFile "{{.Directory}}/idp.xml"{{if .TrustMetadata}} "{{.Directory}}/idp.crt"{{end}}
{{if .OwnMetadata}}	MellonSPentityId "{{.EntityID}}"
{{else}}	MellonSPMetadataFile "{{.Directory}}/sp.xml"
{{end}}{{.Directives}}
</Location>
<Location /secret>
	AuthType Mellon
	MellonEnable auth
	Require valid-user
</Location>
`))

// ModuleNames are what Debian does not build into the server.
func (*mellon) ModuleNames() []string {
	return []string{"mpm_prefork", "authn_core", "authz_core", "authz_user", "alias", "cgi", "auth_mellon"}
}

var mellonMetadata = template.Must(template.New("metadata").Parse(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{{.EntityID}}">
<SPSSODescriptor AuthnRequestsSigned="{{.SignRequests}}" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{{.KeyText}}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{{.URL}}/mellon/logout"/>
<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{{.URL}}/mellon/logout"/>
<NameIDFormat>{{.NameIDFormat}}</NameIDFormat>
<AssertionConsumerService index="0" isDefault="true" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{{.URL}}/mellon/postResponse"/>
</SPSSODescriptor></EntityDescriptor>
`))

// KeyText is the certificate as metadata carries it.
func (m *mellon) KeyText() string { return base64Of(m.key.Certificate) }

// base64Of is the base64 text of a PEM file.
func base64Of(certificate []byte) string {
	var text strings.Builder
	for line := range strings.Lines(string(certificate)) {
		if !strings.HasPrefix(line, "-----") {
			text.WriteString(strings.TrimSpace(line))
		}
	}
	return text.String()
}

// write makes the folder that the server lives in.
func (m *mellon) write() {
	var err error
	m.Directory, err = os.MkdirTemp("", "tegata-mellon-")
	m.Expect(err).NotTo(HaveOccurred())
	m.t.Cleanup(func() { m.Expect(os.RemoveAll(m.Directory)).To(Succeed()) })
	// Root hands its workers to a user who must get in here.
	m.Expect(os.Chmod(m.Directory, 0o755)).To(Succeed()) // #nosec G302 -- see above
	if m.NameIDFormat == "" {
		m.NameIDFormat = directory.NameIDEmailAddress.URI()
	}
	metadata := m.metadata()
	if m.IdPMetadata != nil {
		metadata = m.IdPMetadata(metadata)
	}
	m.file("idp.xml", 0o644, metadata)
	m.file("idp.crt", 0o644, string(m.world.key.Certificate))
	m.file("sp.crt", 0o644, string(m.key.Certificate))
	m.file("sp.key", 0o600, string(m.key.PrivateKey))
	m.file("sp.xml", 0o644, m.render(mellonMetadata))
	m.file("apache.conf", 0o644, m.render(mellonConfiguration))
	m.file("environment", 0o755, "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv -0\n")
}

func (m *mellon) file(name string, mode os.FileMode, content string) {
	m.Expect(os.WriteFile(filepath.Join(m.Directory, name), []byte(content), mode)).To(Succeed())
}

func (m *mellon) render(t *template.Template) string {
	var text bytes.Buffer
	m.Expect(t.Execute(&text, m)).To(Succeed())
	return text.String()
}

// supervised ends the server when standard input does, also if this process is
// killed. Apache signals its process group when it ends, so it gets one of its own.
const supervised = `setsid "$0" "$@" & server=$!
read -r _ || true
kill "$server" 2>/dev/null
wait "$server"`

// supervise runs a server in the foreground until the test ends. log is what it wrote.
func (w *world) supervise(log func() string, program string, arguments ...string) {
	command := exec.Command("sh", append([]string{"-c", supervised, program}, arguments...)...) // #nosec G204 -- servers of the tests
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(command.Start()).To(Succeed())
	w.t.Cleanup(func() {
		w.Expect(input.Close()).To(Succeed())
		if err := command.Wait(); err != nil {
			w.t.Errorf("%s: %v\n%s", program, err, log())
		}
		if w.t.Failed() {
			w.t.Logf("what %s wrote:\n%s", program, log())
		}
	})
}

// start runs the server in the foreground until the test ends.
func (m *mellon) start() {
	if _, err := os.Stat(modules + "/mod_auth_mellon.so"); err != nil {
		m.t.Fatal("mod_auth_mellon is missing; install Debian's libapache2-mod-auth-mellon, or run make interop: ", err)
	}
	m.supervise(m.log, apache, "-f", filepath.Join(m.Directory, "apache.conf"), "-DFOREGROUND")
	m.Eventually(func() error {
		response, err := http.Get(m.URL + "/mellon/metadata") // #nosec G107 -- a server of this test
		if err != nil {
			return err
		}
		return response.Body.Close()
	}, startPatience, 20*time.Millisecond).Should(Succeed(), m.log)
}

func (m *mellon) log() string {
	content, err := os.ReadFile(filepath.Join(m.Directory, "error.log"))
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// deepLink is a page that only members see.
const deepLink = "/secret/reports/2026?month=11&name=%E5%96%B6%E6%A5%AD"

// arrived is what a protected page was told: mellon's variables without their prefix.
func (m *mellon) arrived(page *formclient.Page) map[string]string {
	m.t.Helper()
	m.Expect(page.Status).To(Equal(http.StatusOK), "%s: %s\n%s", page.URL, page.Text(), m.log())
	variables := map[string]string{}
	for line := range strings.SplitSeq(string(page.Body), "\x00") {
		name, value, _ := strings.Cut(line, "=")
		if name == "REQUEST_URI" {
			variables[name] = value
		}
		if short, ours := strings.CutPrefix(name, "MELLON_"); ours {
			variables[short] = value
		}
	}
	return variables
}

// refused expects that a response did not log anybody in, and for which reason.
func (m *mellon) refused(page *formclient.Page, status int, reason string) {
	m.t.Helper()
	m.Expect(page.Status).To(Equal(status), "%s: %s\n%s", page.URL, page.Text(), m.log())
	m.Expect(m.log()).To(ContainSubstring(reason))
}
