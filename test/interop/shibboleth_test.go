/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/template"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlmetadata"
)

// shibd is the part of Shibboleth that speaks SAML; Apache's module asks it.
const shibd = "/usr/sbin/shibd"

// shibbolethOptions are what differs between the cases.
type shibbolethOptions struct {
	// Unsolicited takes log-ins that it did not ask for.
	Unsolicited bool
	// IdPMetadata changes what it is given as the IdP's metadata; nil lets it
	// fetch what the IdP publishes, again and again.
	IdPMetadata func(string) string
	// Trusted are certificates, one of which must have signed that; nil is the IdP's.
	Trusted [][]byte
	// Application takes the place of its ApplicationDefaults.
	Application string
	// Key is of what it signs.
	Key keypair.Algorithm
}

// shibboleth is an Apache with mod_shib in front of /secret, at its strictest.
type shibboleth struct {
	*world
	shibbolethOptions
	// URL is the site's origin, EntityID its SAML name, which is no URL of it.
	URL, EntityID string
	Directory     string
	Address       string
	IdP           string
	Metadata      string
	Modules       string
	Root          bool
	// signing and encrypting are its own keys, Algorithm is of its signatures.
	signing, encrypting admin.KeyPair
	Algorithm           string
	// provider is what its own metadata says of it, app what was made of that.
	provider *samlmetadata.ServiceProvider
	app      *directory.App
}

// encryptionKey is another than those of the identity provider and for signing.
var encryptionKey = sync.OnceValue(func() admin.KeyPair { return mustGenerate(keypair.RSA2048) })

// newShibboleth starts one that trusts the IdP, and declares it there by its
// own signed metadata, after change had a look at the app.
func newShibboleth(w *world, options shibbolethOptions, change func(*directory.App)) *shibboleth {
	w.t.Helper()
	s := &shibboleth{
		world: w, shibbolethOptions: options, EntityID: "https://wiki.acme.example/shibboleth", Address: freeAddress(w),
		IdP: endpoints.Issuer(w.url, tenant), Metadata: endpoints.Metadata(w.url, tenant), Modules: modules, Root: os.Geteuid() == 0,
		signing: serviceKey(), encrypting: encryptionKey(), Algorithm: "rsa-sha256",
	}
	if options.Key != "" {
		s.signing, s.Algorithm = mustGenerate(options.Key), "ecdsa-sha256"
	}
	s.URL = "http://" + s.Address
	if s.Trusted == nil {
		s.Trusted = [][]byte{w.key.Certificate}
	}
	s.write()
	s.start()
	s.app = newApp("shibboleth", "", "")
	certificate, _, err := keypair.ParseKeyPair(s.signing)
	w.Expect(err).NotTo(HaveOccurred())
	s.provider = s.takeOver(s.app, s.handler("/Metadata"), certificate.PublicKey)
	s.app.SAML.Encryption = directory.AES256GCM
	s.app.SAML.Attributes = append(s.app.SAML.Attributes, directory.AttributeMapping{Name: "urn:oid:1.3.6.1.4.1.5923.1.1.1.6", NameFormat: "uri", Field: directory.FieldMail})
	if change != nil {
		change(s.app)
	}
	w.publishApp(s.app)
	return s
}

// handler is the address of one of its own pages.
func (s *shibboleth) handler(path string) string { return s.URL + "/Shibboleth.sso" + path }

// logInAt is where a log-in begins that ends at the deep link, by more options of that page.
func (s *shibboleth) logInAt(path string, options ...string) string {
	query := url.Values{"target": {s.URL + deepLink}}
	for i := 0; i < len(options); i += 2 {
		query.Set(options[i], options[i+1])
	}
	return s.handler(path) + "?" + query.Encode()
}

var shibbolethApache = template.Must(template.New("apache").Parse(`ServerRoot "{{.Directory}}"
ServerName {{.URL}}
UseCanonicalName On
Listen {{.Address}}
PidFile "{{.Directory}}/pid"
ErrorLog "{{.Directory}}/error.log"
Mutex "file:{{.Directory}}" default
{{range $name := .ModuleNames}}LoadModule {{$name}}_module "{{$.Modules}}/mod_{{$name}}.so"
{{end}}LoadModule mod_shib "{{.Modules}}/mod_shib.so"
{{if .Root}}User www-data
Group www-data
{{end}}StartServers 1
MinSpareServers 1
MaxRequestWorkers 4
ScriptAlias /secret "{{.Directory}}/environment"
ShibConfig "{{.Directory}}/shibboleth2.xml"
ShibCompatValidUser Off
<Location /Shibboleth.sso>
	AuthType None
	Require all granted
</Location>
<Location /secret>
	AuthType shibboleth
	ShibRequestSetting requireSession true
	Require shib-session
</Location>
`))

// ModuleNames are what Debian does not build into the server.
func (*shibboleth) ModuleNames() []string {
	return []string{"mpm_prefork", "authn_core", "authz_core", "authz_user", "alias", "cgi"}
}

var shibbolethConfiguration = template.Must(template.New("shibboleth").Parse(`<SPConfig xmlns="urn:mace:shibboleth:3.0:native:sp:config" clockSkew="60">
<OutOfProcess logger="{{.Directory}}/shibd.logger"/>
<InProcess logger="{{.Directory}}/native.logger"/>
<UnixListener address="{{.Directory}}/shibd.sock"/>
<ApplicationDefaults entityID="{{.EntityID}}" REMOTE_USER="name persistent-id" policyId="default" signing="true" encryption="conditional"
	requireSignedAssertions="true" requireAuthenticatedEncryption="true">
<Sessions lifetime="3600" timeout="600" relayState="ss:mem" checkAddress="true" consistentAddress="true"
	handlerSSL="false" cookieProps="http" redirectLimit="exact">
<SSO entityID="{{.IdP}}" ECP="false" policyId="responses">SAML2</SSO>
<Logout>SAML2</Logout>
<SessionInitiator type="SAML2" Location="/Login/POST" entityID="{{.IdP}}" outgoingBindings="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" template="bindingTemplate.html"/>
<SessionInitiator type="SAML2" Location="/Login/Index" entityID="{{.IdP}}" acsByIndex="true"/>
<SessionInitiator type="SAML2" Location="/Login/Unsigned" entityID="{{.IdP}}" signing="false"/>
<LogoutInitiator type="SAML2" Location="/Logout/POST" outgoingBindings="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" template="bindingTemplate.html"/>
<LogoutInitiator type="SAML2" Location="/Logout/Unsigned" signing="false"/>
<Handler type="MetadataGenerator" Location="/Metadata" signing="true" signingAlg="http://www.w3.org/2001/04/xmldsig-more#{{.Algorithm}}" digestAlg="http://www.w3.org/2001/04/xmlenc#sha256"/>
</Sessions>
<Errors/>
<MetadataProvider type="XML" validate="true" {{if .IdPMetadata}}path="{{.Directory}}/idp.xml"{{else}}url="{{.Metadata}}" backingFilePath="{{.Directory}}/backing.xml" minRefreshDelay="1" maxRefreshDelay="1" refreshDelayFactor="0.1"{{end}}>
<MetadataFilter type="Signature" verifyBackup="true">
<CredentialResolver type="Chaining">
{{range $number, $_ := .Trusted}}<CredentialResolver type="File" certificate="{{$.Directory}}/trusted-{{$number}}.crt"/>
{{end}}</CredentialResolver>
</MetadataFilter>
</MetadataProvider>
<AttributeExtractor type="XML" validate="true" path="{{.Directory}}/attribute-map.xml"/>
<AttributeFilter type="XML" validate="true" path="attribute-policy.xml"/>
<CredentialResolver type="File" use="signing" key="{{.Directory}}/signing.key" certificate="{{.Directory}}/signing.crt"/>
<CredentialResolver type="File" use="encryption" key="{{.Directory}}/encrypting.key" certificate="{{.Directory}}/encrypting.crt"/>
</ApplicationDefaults>
<SecurityPolicyProvider type="XML" validate="true" path="{{.Directory}}/security-policy.xml"/>
<ProtocolProvider type="XML" validate="true" path="protocols.xml"/>
</SPConfig>
`))

// shibbolethPolicy validates every message against SAML's schema. Requests to
// log out are never solicited, so the rule for responses is not for them.
var shibbolethPolicy = template.Must(template.New("policy").Parse(`<SecurityPolicies xmlns="urn:mace:shibboleth:3.0:native:sp:config">
<Policy id="default" validate="true">
<PolicyRule type="MessageFlow" checkReplay="true" expires="60"/>
<PolicyRule type="XMLSigning" errorFatal="true"/>
<PolicyRule type="SimpleSigning" errorFatal="true"/>
</Policy>
<Policy id="responses" validate="true">
<PolicyRule type="MessageFlow" checkReplay="true" checkCorrelation="true" blockUnsolicited="{{not .Unsolicited}}" expires="60"/>
<PolicyRule type="Conditions"><PolicyRule type="Audience"/></PolicyRule>
<PolicyRule type="XMLSigning" errorFatal="true"/>
<PolicyRule type="SimpleSigning" errorFatal="true"/>
<PolicyRule type="Bearer" checkCorrelation="true" blockUnsolicited="{{not .Unsolicited}}"/>
</Policy>
<ExcludedAlgorithms excludeDefaults="true"/>
</SecurityPolicies>
`))

const shibbolethAttributes = `<Attributes xmlns="urn:mace:shibboleth:2.0:attribute-map" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<Attribute name="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress" id="name"><AttributeDecoder xsi:type="NameIDAttributeDecoder" formatter="$Name" defaultQualifiers="false"/></Attribute>
<Attribute name="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified" id="name"><AttributeDecoder xsi:type="NameIDAttributeDecoder" formatter="$Name" defaultQualifiers="false"/></Attribute>
<Attribute name="urn:oasis:names:tc:SAML:2.0:nameid-format:transient" id="name"><AttributeDecoder xsi:type="NameIDAttributeDecoder" formatter="$Name" defaultQualifiers="false"/></Attribute>
<Attribute name="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" id="persistent-id"><AttributeDecoder xsi:type="NameIDAttributeDecoder" formatter="$NameQualifier!$SPNameQualifier!$Name" defaultQualifiers="true"/></Attribute>
<Attribute name="displayName" nameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic" id="displayName"/>
<Attribute name="employeeNumber" nameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified" id="employeeNumber"/>
<Attribute name="groups" nameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified" id="groups"/>
<Attribute name="permission" nameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified" id="permission"/>
<Attribute name="urn:example:environment" id="environment"/>
<Attribute name="urn:oid:1.3.6.1.4.1.5923.1.1.1.6" id="eppn"><AttributeDecoder xsi:type="ScopedAttributeDecoder" caseSensitive="false"/></Attribute>
</Attributes>
`

// write makes the folder that the server lives in.
func (s *shibboleth) write() {
	var err error
	s.Directory, err = os.MkdirTemp("", "tegata-shibboleth-")
	s.Expect(err).NotTo(HaveOccurred())
	s.t.Cleanup(func() { s.Expect(os.RemoveAll(s.Directory)).To(Succeed()) })
	// Root hands Apache's workers to a user who must get in here.
	s.Expect(os.Chmod(s.Directory, 0o755)).To(Succeed()) // #nosec G302 -- see above
	if s.IdPMetadata != nil {
		s.file("idp.xml", s.IdPMetadata(s.metadata()))
	}
	for number, certificate := range s.Trusted {
		s.file(fmt.Sprintf("trusted-%d.crt", number), string(certificate))
	}
	s.file("signing.crt", string(s.signing.Certificate))
	s.file("signing.key", string(s.signing.PrivateKey))
	s.file("encrypting.crt", string(s.encrypting.Certificate))
	s.file("encrypting.key", string(s.encrypting.PrivateKey))
	s.file("attribute-map.xml", shibbolethAttributes)
	s.file("security-policy.xml", s.render(shibbolethPolicy))
	s.file("shibboleth2.xml", s.configuration())
	s.file("apache.conf", s.render(shibbolethApache))
	logger := "log4j.rootCategory=INFO, log\nlog4j.appender.log.layout=org.apache.log4j.PatternLayout\nlog4j.appender.log.layout.ConversionPattern=%p %c %x: %m%n\nlog4j.appender.log=org.apache.log4j."
	s.file("shibd.logger", logger+"FileAppender\nlog4j.appender.log.fileName="+s.Directory+"/shibd.log\n")
	s.file("native.logger", logger+"ConsoleAppender\n")
	s.file("environment", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv -0\n")
	s.Expect(os.Chmod(filepath.Join(s.Directory, "environment"), 0o755)).To(Succeed()) // #nosec G302 -- Apache runs it
}

func (s *shibboleth) configuration() string {
	text := s.render(shibbolethConfiguration)
	if s.Application != "" {
		before, rest, _ := strings.Cut(text, "<ApplicationDefaults")
		_, after, _ := strings.Cut(rest, "</ApplicationDefaults>")
		text = before + s.Application + after
	}
	return text
}

func (s *shibboleth) file(name, content string) {
	mode := os.FileMode(0o644)
	if strings.HasSuffix(name, ".key") {
		mode = 0o600
	}
	s.Expect(os.WriteFile(filepath.Join(s.Directory, name), []byte(content), mode)).To(Succeed())
}

func (s *shibboleth) render(t *template.Template) string {
	var text bytes.Buffer
	s.Expect(t.Execute(&text, s)).To(Succeed())
	return text.String()
}

// start runs both halves in the foreground until the test ends.
func (s *shibboleth) start() {
	if _, err := os.Stat(modules + "/mod_shib.so"); err != nil {
		s.t.Fatal("Shibboleth is missing; install Debian's libapache2-mod-shib, or run make interop: ", err)
	}
	s.supervise(s.log, shibd, "-F", "-f", "-c", filepath.Join(s.Directory, "shibboleth2.xml"), "-p", filepath.Join(s.Directory, "shibd.pid"))
	s.supervise(s.log, apache, "-f", filepath.Join(s.Directory, "apache.conf"), "-DFOREGROUND")
	client := http.Client{Timeout: 5 * time.Second} // without a configuration the module never answers
	s.Eventually(func() (int, error) {
		response, err := client.Get(s.handler("/Metadata"))
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}, startPatience, 20*time.Millisecond).Should(Equal(http.StatusOK), s.log)
}

// log is what both halves wrote.
func (s *shibboleth) log() string {
	var all strings.Builder
	for _, name := range []string{"shibd.log", "error.log"} {
		content, err := os.ReadFile(filepath.Join(s.Directory, name))
		if err != nil {
			content = []byte(err.Error())
		}
		all.Write(content)
	}
	return all.String()
}

// arrived is what a protected page was told.
func (s *shibboleth) arrived(page *formclient.Page) map[string]string {
	s.t.Helper()
	s.Expect(page.Status).To(Equal(http.StatusOK), "%s: %s\n%s", page.URL, page.Text(), s.log())
	variables := map[string]string{}
	for line := range strings.SplitSeq(string(page.Body), "\x00") {
		name, value, _ := strings.Cut(line, "=")
		variables[name] = value
	}
	return variables
}

// refused expects that a response did not log anybody in, and for which reason.
func (s *shibboleth) refused(page *formclient.Page, reason string) {
	s.t.Helper()
	s.Expect(page.Status).NotTo(Equal(http.StatusOK), "%s: %s\n%s", page.URL, page.Text(), s.log())
	s.Expect(page.URL.String()).To(HavePrefix(s.URL), page.Text())
	s.Expect(page.Text()).To(ContainSubstring(reason), s.log())
}
