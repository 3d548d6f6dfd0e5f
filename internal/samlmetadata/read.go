/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/samlxml"
)

// read turns what was found into the model.
func read(found located) (*ServiceProvider, error) {
	provider := &ServiceProvider{EntityID: found.entity.Attribute("entityID")}
	if err := checkEntityID(provider.EntityID); err != nil {
		return nil, err
	}
	for _, step := range []func(*ServiceProvider, *samlxml.Element) error{
		(*ServiceProvider).readFlags, (*ServiceProvider).readCertificates, (*ServiceProvider).readAssertionConsumerServices,
		(*ServiceProvider).readSingleLogoutServices, (*ServiceProvider).readNameIDFormats,
	} {
		if err := step(provider, found.role); err != nil {
			return nil, err
		}
	}
	if provider.RequestsSigned && !slices.ContainsFunc(provider.Certificates, verifies) {
		return nil, refuse("the metadata promises signed requests (AuthnRequestsSigned) and has no certificate to verify them by; ask for metadata with a signing certificate")
	}
	return provider, provider.readLifetime(found.around)
}

func verifies(certificate directory.ServiceProviderCertificate) bool {
	return certificate.Use != directory.CertificateEncryption
}

// checkEntityID: a name is a URI at best and one word at least. Markup in it
// could only mislead, as in a comment that another parser drops.
func checkEntityID(id string) error {
	switch {
	case id == "":
		return refuse("the metadata has no entityID; ask for metadata with one")
	case len(id) > maxEntityIDLength:
		return refuse("the metadata's entityID is longer than %d characters; ask for one within the standard", maxEntityIDLength)
	case strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`<>"`, r) }):
		return refuse("the metadata's entityID has spaces or characters that no URI has; ask for a corrected one")
	}
	return nil
}

func (p *ServiceProvider) readFlags(role *samlxml.Element) (err error) {
	if p.RequestsSigned, err = boolean(role, "AuthnRequestsSigned"); err != nil {
		return err
	}
	p.AssertionsSigned, err = boolean(role, "WantAssertionsSigned")
	return err
}

// boolean reads an xs:boolean; absent is false.
func boolean(e *samlxml.Element, name string) (bool, error) {
	switch strings.Trim(e.Attribute(name), samlxml.Space) {
	case "true", "1":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	return false, refuse("the metadata's %s is neither true nor false; ask for corrected metadata", name)
}

// service is an endpoint with HTTP-POST and what it says of being the default.
type service struct {
	directory.AssertionConsumerService
	indexed bool
	// preference is 2 for isDefault="true", 1 where it is absent, 0 for "false".
	preference int
}

// readAssertionConsumerServices takes those with HTTP-POST; answers go by no
// other binding.
func (p *ServiceProvider) readAssertionConsumerServices(role *samlxml.Element) error {
	all := role.All(namespace, "AssertionConsumerService")
	var services []service
	for _, e := range all {
		if e.Attribute("Binding") != bindingPost {
			continue
		}
		s, err := readService(e)
		if err != nil {
			return err
		}
		services = append(services, s)
	}
	switch {
	case len(all) == 0:
		return refuse("the metadata has no AssertionConsumerService; ask for metadata with the address that takes responses")
	case len(services) == 0:
		return refuse("the metadata has no AssertionConsumerService with the HTTP-POST binding; ask for one, as responses go by no other binding")
	case len(services) > maxServices:
		return refuse("the metadata has more than %d AssertionConsumerServices; ask for metadata of this service provider alone", maxServices)
	}
	if err := checkIndexes(services); err != nil {
		return err
	}
	chosen := 0
	for i, s := range services {
		if s.preference > services[chosen].preference {
			chosen = i
		}
	}
	for i, s := range services {
		if !s.indexed {
			s.Index = i
		}
		s.Default = i == chosen
		p.AssertionConsumerServices = append(p.AssertionConsumerServices, s.AssertionConsumerService)
	}
	return nil
}

func readService(e *samlxml.Element) (service, error) {
	s := service{preference: 1}
	var err error
	if s.URL, err = address(e, "Location"); err != nil {
		return s, err
	}
	if text, present := e.Lookup("index"); present {
		index, err := strconv.ParseUint(strings.Trim(text, samlxml.Space), 10, 16)
		if err != nil {
			return s, refuse("the metadata has an AssertionConsumerService whose index is no number from 0 to 65535; ask for corrected metadata")
		}
		s.Index, s.indexed = int(index), true // #nosec G115 -- 16 bits
	}
	if _, present := e.Lookup("isDefault"); present {
		isDefault, err := boolean(e, "isDefault")
		if err != nil {
			return s, err
		}
		s.preference = 0
		if isDefault {
			s.preference = 2
		}
	}
	return s, nil
}

// checkIndexes: all have an index of their own, or none has one. What a request
// refers to must be one address.
func checkIndexes(services []service) error {
	seen := map[int]bool{}
	for _, s := range services {
		if s.indexed != services[0].indexed {
			return refuse("the metadata gives some AssertionConsumerServices an index and others none; ask for corrected metadata")
		}
		if s.indexed && seen[s.Index] {
			return refuse("the metadata gives index %d to two AssertionConsumerServices; ask for corrected metadata", s.Index)
		}
		seen[s.Index] = true
	}
	return nil
}

func (p *ServiceProvider) readSingleLogoutServices(role *samlxml.Element) error {
	for _, e := range role.All(namespace, "SingleLogoutService") {
		s := directory.SingleLogoutService{Binding: directory.BindingHTTPRedirect}
		switch e.Attribute("Binding") {
		case bindingRedirect:
		case bindingPost:
			s.Binding = directory.BindingHTTPPOST
		default:
			continue
		}
		var err error
		if s.URL, err = address(e, "Location"); err != nil {
			return err
		}
		if _, present := e.Lookup("ResponseLocation"); present {
			if s.ResponseURL, err = address(e, "ResponseLocation"); err != nil {
				return err
			}
		}
		p.SingleLogoutServices = append(p.SingleLogoutServices, s)
	}
	if len(p.SingleLogoutServices) > maxServices {
		return refuse("the metadata has more than %d SingleLogoutServices; ask for metadata of this service provider alone", maxServices)
	}
	return nil
}

// webAddress is what SAMLApp's own fields take: absolute, without user name or fragment.
var webAddress = regexp.MustCompile(`^https?://[^/?#@\s\\]+([/?][^#\s\\]*)?$`)

// address reads a URL that a browser will be sent to.
func address(e *samlxml.Element, name string) (string, error) {
	text := strings.Trim(e.Attribute(name), samlxml.Space)
	parsed, err := url.Parse(text)
	if err != nil || len(text) > maxURLLength || !webAddress.MatchString(text) || parsed.Hostname() == "" ||
		strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return "", refuse("the metadata's %s has a %s that is no absolute http or https URL without user name and fragment; ask for corrected metadata", e.Name().Local, name)
	}
	return text, nil
}

func (p *ServiceProvider) readNameIDFormats(role *samlxml.Element) error {
	for _, e := range role.All(namespace, "NameIDFormat") {
		format, err := e.Text()
		if err == nil && format == "" {
			continue // crewjam/saml writes an empty one where it was set to none
		}
		if err != nil || len(format) > 255 || strings.ContainsFunc(format, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return refuse("the metadata has a NameIDFormat that is no URI; ask for corrected metadata")
		}
		if !slices.Contains(p.NameIDFormats, format) {
			p.NameIDFormats = append(p.NameIDFormats, format)
		}
	}
	if len(p.NameIDFormats) > maxNameIDFormats {
		return refuse("the metadata has more than %d NameIDFormats; ask for metadata of this service provider alone", maxNameIDFormats)
	}
	return nil
}
