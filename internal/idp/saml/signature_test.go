/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	. "github.com/onsi/gomega"
	dsig "github.com/russellhaering/goxmldsig"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
)

const (
	rsaSHA256   = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	ecdsaSHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	rsaSHA1     = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
)

// peer is a service provider that signs.
type peer struct {
	key         crypto.Signer
	certificate []byte
}

// GetKeyPair implements dsig.X509KeyStore.
func (p *peer) GetKeyPair() (*rsa.PrivateKey, []byte, error) {
	return p.key.(*rsa.PrivateKey), p.certificate, nil
}

func (p *peer) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate}))
}

// newPeer has a certificate that has expired: only its key counts.
func newPeer(t testing.TB, key crypto.Signer) *peer {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sp"}, NotAfter: clock.Add(-time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return &peer{key, certificate}
}

func rsaPeer(t testing.TB) *peer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return newPeer(t, key)
}

func ecdsaPeer(t testing.TB) *peer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return newPeer(t, key)
}

// signQuery signs a query of the HTTP-Redirect binding as it stands.
func (p *peer) signQuery(t testing.TB, query, algorithm string) string {
	t.Helper()
	g := NewWithT(t)
	query += "&SigAlg=" + url.QueryEscape(algorithm)
	hash := crypto.SHA256
	if algorithm == rsaSHA1 {
		hash = crypto.SHA1
	}
	digest := hash.New()
	digest.Write([]byte(query))
	value, err := p.key.Sign(rand.Reader, digest.Sum(nil), hash)
	if key, ok := p.key.(*ecdsa.PrivateKey); ok {
		r, s, errSign := ecdsa.Sign(rand.Reader, key, digest.Sum(nil))
		value, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), errSign
	}
	g.Expect(err).NotTo(HaveOccurred())
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
}

// signXML puts an enveloped signature into a request.
func (p *peer) signXML(t testing.TB, document, method string) string {
	t.Helper()
	g := NewWithT(t)
	parsed := etree.NewDocument()
	g.Expect(parsed.ReadFromString(document)).To(Succeed())
	signing := dsig.NewDefaultSigningContext(p)
	signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	g.Expect(signing.SetSignatureMethod(method)).To(Succeed())
	signed, err := signing.SignEnveloped(parsed.Root())
	g.Expect(err).NotTo(HaveOccurred())
	out := etree.NewDocument()
	out.SetRoot(signed)
	text, err := out.WriteToString()
	g.Expect(err).NotTo(HaveOccurred())
	return text
}

// trusting is the app with these peers' certificates.
func trusting(policy directory.RequestPolicy, peers ...*peer) directory.App {
	app := testApp()
	app.SAML.Requests = policy
	for _, p := range peers {
		app.SAML.Certificates = append(app.SAML.Certificates, directory.ServiceProviderCertificate{PEM: p.pem()})
	}
	return app
}

// take decodes and validates what came by either binding.
func take(t testing.TB, app directory.App, query string, form url.Values) (*saml.Pending, error) {
	t.Helper()
	message, err := saml.DecodeRedirect(query)
	if form != nil {
		message, err = saml.DecodePost(form)
	}
	if err != nil {
		return nil, err
	}
	return newProvider(t).Validate(message, prepared(t, app))
}

func TestSignedRedirects(t *testing.T) {
	signer, stranger, curve := rsaPeer(t), rsaPeer(t), ecdsaPeer(t)
	required := directory.RequestPolicy{Signed: true}
	plain := redirectQuery(t, requestXML())
	withState := plain + "&RelayState=" + url.QueryEscape("a b/é")
	signed := signer.signQuery(t, withState, rsaSHA256)
	lower := strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d", "%C3", "%c3", "%A9", "%a9").Replace(withState)
	noDestination := redirectQuery(t, requestXML(` Destination="`+ssoURL+`"`, ""))
	for name, test := range map[string]struct {
		app   directory.App
		query string
		want  string // "" is accepted
	}{
		"signed":                    {trusting(required, signer), signed, ""},
		"not required":              {trusting(directory.RequestPolicy{}, signer), signed, ""},
		"ECDSA":                     {trusting(required, signer, curve), curve.signQuery(t, withState, ecdsaSHA256), ""},
		"lower-case hex":            {trusting(required, signer), signer.signQuery(t, lower, rsaSHA256), ""},
		"no RelayState":             {trusting(required, signer), signer.signQuery(t, plain, rsaSHA256), ""},
		"a tracker's parameter":     {trusting(required, signer), signed + "&utm_source=x", ""},
		"SHA-1 by opt-in":           {trusting(directory.RequestPolicy{Signed: true, AllowSHA1: true}, signer), signer.signQuery(t, plain, rsaSHA1), ""},
		"SHA-1":                     {trusting(required, signer), signer.signQuery(t, plain, rsaSHA1), "SHA-1"},
		"unsigned":                  {trusting(required, signer), plain, "is not signed"},
		"SigAlg left":               {trusting(required, signer), plain + "&SigAlg=" + url.QueryEscape(rsaSHA256), "part of a signature"},
		"SigAlg left, not required": {trusting(directory.RequestPolicy{}), plain + "&SigAlg=", "part of a signature"},
		"SigAlg stripped":           {trusting(required, signer), strings.Replace(signed, "&SigAlg=", "&x=", 1), "part of a signature"},
		"a stranger's key":          {trusting(required, signer), stranger.signQuery(t, plain, rsaSHA256), "none of the known certificates"},
		"a stranger's, unrequired":  {trusting(directory.RequestPolicy{}, signer), stranger.signQuery(t, plain, rsaSHA256), "none of the known certificates"},
		"no certificate known":      {trusting(directory.RequestPolicy{}), signed, "no certificate is known"},
		"algorithm swapped":         {trusting(required, signer), strings.Replace(signed, "rsa-sha256", "rsa-sha512", 1), "none of the known certificates"},
		"HMAC":                      {trusting(required, signer), strings.Replace(signed, "rsa-sha256", "hmac-sha256", 1), "not accepted"},
		"no algorithm":              {trusting(required, signer), strings.Replace(signed, url.QueryEscape(rsaSHA256), "none", 1), "not accepted"},
		"RelayState changed":        {trusting(required, signer), strings.Replace(signed, "RelayState=a", "RelayState=b", 1), "none of the known certificates"},
		"RelayState added":          {trusting(required, signer), signer.signQuery(t, plain, rsaSHA256) + "&RelayState=x", "none of the known certificates"},
		"RelayState taken":          {trusting(required, signer), strings.Replace(signed, "&RelayState=", "&x=", 1), "none of the known certificates"},
		"RelayState twice":          {trusting(required, signer), signed + "&RelayState=x", "parameter twice"},
		"SAMLRequest twice":         {trusting(required, signer), signed + "&" + plain, "parameter twice"},
		"not base64":                {trusting(required, signer), strings.Replace(signed, "&Signature=", "&Signature=*", 1), "not base64"},
		"enveloped":                 {trusting(required, signer), redirectQuery(t, signer.signXML(t, requestXML(), rsaSHA256)), "sign the query"},
		"enveloped, not required":   {trusting(directory.RequestPolicy{}, signer), redirectQuery(t, signer.signXML(t, requestXML(), rsaSHA256)), ""},
		"enveloped by a stranger":   {trusting(directory.RequestPolicy{}, signer), redirectQuery(t, stranger.signXML(t, requestXML(), rsaSHA256)), "none of the known certificates"},
		"enveloped and signed":      {trusting(required, signer), signer.signQuery(t, redirectQuery(t, signer.signXML(t, requestXML(), rsaSHA256)), rsaSHA256), ""},
		"enveloped badly, signed":   {trusting(required, signer), signer.signQuery(t, redirectQuery(t, stranger.signXML(t, requestXML(), rsaSHA256)), rsaSHA256), "none of the known certificates"},
		"enveloped, signed badly":   {trusting(required, signer), stranger.signQuery(t, redirectQuery(t, signer.signXML(t, requestXML(), rsaSHA256)), rsaSHA256), "none of the known certificates"},
		"no destination":            {trusting(required, signer), signer.signQuery(t, noDestination, rsaSHA256), "for which address"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pending, err := take(t, test.app, test.query, nil)
			if test.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(pending.ACSURL).To(Equal(spACS))
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			g.Expect(pending).To(BeNil())
		})
	}
	for _, use := range []directory.CertificateUse{directory.CertificateSigning, directory.CertificateEncryption} {
		g, app := NewWithT(t), trusting(required, signer)
		app.SAML.Certificates[0].Use = use
		_, err := take(t, app, signed, nil)
		g.Expect(err == nil).To(Equal(use == directory.CertificateSigning), "a key for encryption verifies nothing")
	}
}

// nodeEscape is ECMAScript's encodeURIComponent, after its specification.
func nodeEscape(value string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*", "%7E", "~").Replace(url.QueryEscape(value))
}

// formEscape is how URLSearchParams writes a value.
func formEscape(value string) string {
	return strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(value))
}

// TestRedirectsSignedAsNodeWritesThem: node-saml signs another encoding of the
// values than it sends. What is used is what was signed, all the same.
func TestRedirectsSignedAsNodeWritesThem(t *testing.T) {
	signer, stranger := rsaPeer(t), rsaPeer(t)
	app := trusting(directory.RequestPolicy{Signed: true}, signer)
	plain := redirectQuery(t, requestXML())
	signature := func(by *peer, signed string) string {
		whole := by.signQuery(t, signed, rsaSHA256)
		return whole[strings.Index(whole, "&SigAlg="):]
	}
	for _, state := range append([]string{"a b", "a+b", "a%20b", "!'()~*", "営業 (east)", "a&SigAlg=x&RelayState=y", "%", "https://app.example/?a=b c#d"}, nasty...) {
		g := NewWithT(t)
		signed := plain + "&RelayState=" + nodeEscape(state)
		pending, err := take(t, app, plain+"&RelayState="+formEscape(state)+signature(signer, signed), nil)
		g.Expect(err).NotTo(HaveOccurred(), "%q", state)
		g.Expect(pending.RelayState).To(Equal(state))
		_, err = take(t, app, plain+"&RelayState="+formEscape(state)+signature(stranger, signed), nil)
		g.Expect(err).To(MatchError(ContainSubstring("none of the known certificates")), "%q", state)
		_, err = take(t, app, plain+"&RelayState="+formEscape(state+" ")+signature(signer, signed), nil)
		g.Expect(err).To(MatchError(ContainSubstring("none of the known certificates")), "%q", state)
	}
	for name, test := range map[string]struct{ signed, sent, want string }{
		"a plus for a space":            {"&RelayState=a%20b", "&RelayState=a%2Bb", "none of the known"},
		"escaped twice":                 {"&RelayState=a%20b", "&RelayState=a%2520b", "none of the known"},
		"another encoding than node's":  {"&RelayState=a+b", "&RelayState=a%20b", "none of the known"},
		"lower case, sent in upper":     {"&RelayState=%c3%a9", "&RelayState=%C3%A9", "none of the known"},
		"no state signed, an empty one": {"", "&RelayState=", "none of the known"},
		"an empty one signed, none":     {"&RelayState=", "", "none of the known"},
		"a parameter within the state":  {"&RelayState=a%26b%3Dc", "&RelayState=a&b=c", "none of the known"},
		"a second state":                {"&RelayState=a%20b", "&RelayState=a+b&RelayState=a+b", "parameter twice"},
		"a second state by its escape":  {"&RelayState=a%20b", "&RelayState=a+b&%52elayState=x", "parameter twice"},
		"not UTF-8":                     {"&RelayState=%FF", "&RelayState=%ff", "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			pending, err := take(t, app, plain+test.sent+signature(signer, plain+test.signed), nil)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(test.want)))
			NewWithT(t).Expect(pending).To(BeNil())
		})
	}
	g := NewWithT(t)
	sent := plain + "&RelayState=a+b" + signature(signer, plain+"&RelayState=a%20b")
	_, err := take(t, app, strings.Replace(sent, "rsa-sha256", "rsa-sha512", 1), nil)
	g.Expect(err).To(MatchError(ContainSubstring("none of the known certificates")), "the algorithm is signed too")
	_, err = take(t, app, strings.Replace(sent, plain, redirectQuery(t, requestXML("_request1", "_request2")), 1), nil)
	g.Expect(err).To(MatchError(ContainSubstring("none of the known certificates")), "another request")
	old := plain + "&RelayState=a+b" + signature(signer, plain+"&RelayState=a%20b")
	app.SAML.Requests.AllowSHA1 = true
	_, err = take(t, app, strings.Replace(old, url.QueryEscape(rsaSHA256), url.QueryEscape(rsaSHA1), 1), nil)
	g.Expect(err).To(MatchError(ContainSubstring("none of the known certificates")), "nor is another one tried")
}

func TestSignedPosts(t *testing.T) {
	signer, stranger := rsaPeer(t), rsaPeer(t)
	required := directory.RequestPolicy{Signed: true}
	signed := signer.signXML(t, requestXML(), rsaSHA256)
	signature := signed[strings.Index(signed, "<ds:Signature"):strings.Index(signed, end)]
	wrapped := strings.Replace(requestXML(`ID="_request1"`, `ID="_evil"`), end, "<samlp:Extensions>"+signed+"</samlp:Extensions>"+end, 1)
	for name, test := range map[string]struct {
		app            directory.App
		document, want string
	}{
		"signed":               {trusting(required, signer), signed, ""},
		"two certificates":     {trusting(required, stranger, signer), signed, ""},
		"unsigned":             {trusting(required, signer), requestXML(), "is not signed"},
		"a stranger's key":     {trusting(directory.RequestPolicy{}, signer), stranger.signXML(t, requestXML(), rsaSHA256), "none of the known certificates"},
		"no certificate known": {trusting(directory.RequestPolicy{}), signed, "no certificate is known"},
		"SHA-1":                {trusting(required, signer), signer.signXML(t, requestXML(), rsaSHA1), "not accepted"},
		"SHA-1 by opt-in":      {trusting(directory.RequestPolicy{AllowSHA1: true}, signer), signer.signXML(t, requestXML(), rsaSHA1), ""},
		"tampered":             {trusting(required, signer), strings.Replace(signed, spACS, spACS2[:len(spACS)+1]+"x", 1), "was changed"},
		"wrapped":              {trusting(required, signer), wrapped, "wrong place"},
		"moved into Object":    {trusting(required, signer), strings.Replace(strings.Replace(signed, `"_request1"`, `"_evil"`, 1), "</ds:Signature>", "<ds:Object>"+signed+"</ds:Object></ds:Signature>", 1), "more than one signature"},
		"not the root's":       {trusting(required, signer), requestXML(issuer, issuer+"<samlp:Extensions>"+signature+"</samlp:Extensions>"), "wrong place"},
		"no destination":       {trusting(required, signer), signer.signXML(t, requestXML(` Destination="`+ssoURL+`"`, ""), rsaSHA256), "for which address"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := take(t, test.app, "", postForm(test.document))
			if test.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(test.want)), test.document)
		})
	}
}

func TestUnusableCertificates(t *testing.T) {
	for _, text := range []string{"", "garbage", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))} {
		app := testApp()
		app.SAML.Certificates = []directory.ServiceProviderCertificate{{PEM: text}}
		_, err := saml.NewServiceProvider(app)
		NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("certificate 0"), ContainSubstring("enter"))))
	}
}
