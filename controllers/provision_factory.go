/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
	"tegata.dev/tegata/internal/provision/entra"
	"tegata.dev/tegata/internal/provision/mdm"
	"tegata.dev/tegata/internal/provision/scim"
)

// ServiceOptions are what the service of a ProvisioningTarget is made from.
type ServiceOptions struct {
	// Spec is the target's.
	Spec v1alpha1.ProvisioningTargetSpec
	// Entra is the Entra ID tenant that Intune is read by; nil for other targets.
	Entra *v1alpha1.EntraID
	// Secret is the value of a key of a Secret that the spec names.
	Secret func(name, key string) []byte
	// RootCAs verify the service. Nil: the system's.
	RootCAs *x509.CertPool
	// Allowed networks may be connected to although they are not public.
	Allowed []netip.Prefix
	// OfMember tells whether a public member ID is one of ours.
	OfMember func(id string) bool
	Now      func() time.Time
}

// The defaults of writesPerSecond.
const (
	entraWritesPerSecond = 15
	otherWritesPerSecond = 5
)

// writesPerSecond is a target's budget.
func writesPerSecond(spec v1alpha1.ProvisioningTargetSpec) int {
	if spec.EntraID != nil {
		return cmp.Or(int(spec.WritesPerSecond), entraWritesPerSecond)
	}
	return cmp.Or(int(spec.WritesPerSecond), otherWritesPerSecond)
}

// NewService makes the service that a spec names. The error tells what is wrong
// with it, without a full stop, and holds no secret.
func NewService(o ServiceOptions) (provision.Target, error) {
	http := client.New(client.Options{Allowed: o.Allowed, RootCAs: o.RootCAs, Now: o.Now})
	budget := provision.NewBudget(writesPerSecond(o.Spec))
	switch {
	case o.Spec.EntraID != nil:
		return o.entra(o.Spec.EntraID, http, budget)
	case o.Spec.SCIM != nil:
		return o.scim("spec.scim", o.Spec.SCIM, nil, http, budget)
	case o.Spec.MDM != nil && o.Spec.MDM.SCIM != nil:
		service, err := o.scim("spec.mdm.scim", o.Spec.MDM.SCIM, o.roles(), http, budget)
		return orError(mdm.SCIM{Target: service}, err)
	case o.Spec.MDM != nil && o.Spec.MDM.REST != nil:
		return o.mdm(o.Spec.MDM.REST, http, budget)
	case o.Spec.MDM != nil && o.Spec.MDM.Intune != nil && o.Entra != nil:
		return o.entra(o.Entra, http, budget)
	}
	return nil, errors.New("this kind of service is not known")
}

// attributes are the spec's in the words of the services.
func (o ServiceOptions) attributes() []provision.Attribute {
	attributes := make([]provision.Attribute, len(o.Spec.Attributes))
	for i, declared := range o.Spec.Attributes {
		attributes[i] = provision.Attribute{Name: declared.Name, Value: declared.Value}
		if from := declared.From; from != nil {
			attributes[i].Field, attributes[i].Attribute = string(from.Field), from.Attribute
		}
	}
	return attributes
}

// roles are an MDM's words for member roles (O7.3).
func (o ServiceOptions) roles() map[directory.Role]string {
	words := mdm.Words()
	for _, mapping := range o.Spec.MDM.Roles {
		words[directory.Role(mapping.Role)] = mapping.Value
	}
	return words
}

func (o ServiceOptions) entra(spec *v1alpha1.EntraID, http *client.Client, budget *provision.Budget) (provision.Target, error) {
	intune := o.Spec.EntraID == nil
	options := entra.Options{
		Endpoints: entra.Cloud(string(spec.Cloud)), TenantID: string(spec.TenantID), ClientID: string(spec.ClientID),
		SecretExpires: spec.ClientSecretExpires.Time, ReadsDevices: intune,
		HTTP: http, Budget: budget, Now: o.Now,
	}
	if endpoints := spec.Endpoints; endpoints != nil {
		options.Endpoints = entra.Endpoints{Login: string(endpoints.Login), Graph: string(endpoints.Graph)}
	}
	if !intune {
		options.Domain, options.UsageLocation, options.Federates = string(spec.Domain), spec.UsageLocation, spec.Federation != nil
		options.Attributes = o.attributes()
		for _, other := range spec.OtherDomains {
			options.OtherDomains = append(options.OtherDomains, string(other))
		}
		for _, mapping := range spec.Roles {
			options.Roles = append(options.Roles, entra.RoleMapping{Role: directory.Role(mapping.Role), DirectoryRole: string(mapping.DirectoryRole)})
		}
	}
	if ref := spec.ClientSecretRef; ref != nil {
		options.ClientSecret = entra.Secret(o.Secret(ref.Name, ref.Key))
		return orError(entra.New(options))
	}
	certificate, err := o.certificate(spec.ClientCertificateRef.Name)
	if err != nil {
		return nil, err
	}
	options.Certificate = certificate
	return orError(entra.New(options))
}

func (o ServiceOptions) certificate(secret string) (*entra.Certificate, error) {
	leaf, key, err := keypair.ParseKeyPair(admin.KeyPair{Certificate: o.Secret(secret, corev1.TLSCertKey), PrivateKey: o.Secret(secret, corev1.TLSPrivateKeyKey)})
	if err != nil {
		return nil, fmt.Errorf("there is no usable certificate in the Secret %q: %w", secret, err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key in the Secret %q is not RSA, and Microsoft takes no other", secret)
	}
	return &entra.Certificate{Leaf: leaf, Key: private}, nil
}

func (o ServiceOptions) scim(field string, spec *v1alpha1.SCIM, roles map[directory.Role]string, http *client.Client, budget *provision.Budget) (provision.Target, error) {
	options := scim.Options{
		Field: field, URL: string(spec.URL), HTTP: http, Budget: budget, Updates: string(spec.Updates), UserName: string(spec.UserName),
		Attributes: o.attributes(), Roles: roles, OfMember: o.OfMember, Now: o.Now,
	}
	switch authentication := spec.Authentication; {
	case authentication.BearerTokenSecretRef != nil:
		options.Authentication.Bearer = scim.Secret(o.Secret(authentication.BearerTokenSecretRef.Name, authentication.BearerTokenSecretRef.Key))
	case authentication.BasicSecretRef != nil:
		name := authentication.BasicSecretRef.Name
		options.Authentication.Basic = &scim.Basic{UserName: string(o.Secret(name, corev1.BasicAuthUsernameKey)), Password: scim.Secret(o.Secret(name, corev1.BasicAuthPasswordKey))}
	case authentication.OAuth != nil:
		oauth := authentication.OAuth
		options.Authentication.OAuth = &scim.OAuth{
			TokenURL: string(oauth.TokenURL), ClientID: oauth.ClientID, ClientSecret: scim.Secret(o.Secret(oauth.ClientSecretRef.Name, oauth.ClientSecretRef.Key)),
		}
		for _, scope := range oauth.Scopes {
			options.Authentication.OAuth.Scopes = append(options.Authentication.OAuth.Scopes, string(scope))
		}
	}
	return orError(scim.New(options))
}

func (o ServiceOptions) mdm(spec *v1alpha1.MDMREST, http *client.Client, budget *provision.Budget) (provision.Target, error) {
	return orError(mdm.New(mdm.Options{
		URL: string(spec.URL), Token: mdm.Secret(o.Secret(spec.TokenSecretRef.Name, spec.TokenSecretRef.Key)), HTTP: http, Budget: budget,
		Attributes: o.attributes(), Roles: o.roles(), OfMember: o.OfMember,
	}))
}

// orError keeps a nil pointer from becoming a service.
func orError[T provision.Target](service T, err error) (provision.Target, error) {
	if err != nil {
		return nil, err
	}
	return service, nil
}

// services are those that were made, so that one lives as long as what it is
// made from: it holds tokens, and what the service said of itself.
type services struct {
	mu  sync.Mutex
	all map[types.NamespacedName]madeService
}

type madeService struct {
	from    string
	service provision.Target
}

// get is a target's service, made anew where it is from something else.
func (s *services) get(name types.NamespacedName, from ingredients, create func(ServiceOptions) (provision.Target, error)) (provision.Target, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.all[name]; ok && known.from == from.whole {
		return known.service, nil
	}
	service, err := create(from.options)
	if err != nil {
		delete(s.all, name)
		return nil, err
	}
	if known, ok := s.all[name]; ok {
		if heir, ok := service.(interface{ Inherit(from provision.Target) }); ok {
			heir.Inherit(known.service)
		}
	}
	if s.all == nil {
		s.all = map[types.NamespacedName]madeService{}
	}
	s.all[name] = madeService{from.whole, service}
	return service, nil
}

// forget drops a target that is gone.
func (s *services) forget(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
}
