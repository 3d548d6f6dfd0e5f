/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ServiceProviderMetadata says where a service provider's own metadata is.
// +kubebuilder:validation:XValidation:rule="[has(self.inline), has(self.configMapRef), has(self.url)].filter(x, x).size() == 1",message="set exactly one of inline, configMapRef and url"
// +kubebuilder:validation:XValidation:rule="!has(self.refreshInterval) || has(self.url)",message="refreshInterval goes with url; anything else is read when it changes"
type ServiceProviderMetadata struct {
	// inline is the document itself.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=131072
	Inline string `json:"inline,omitempty"`

	// configMapRef names a key with the document.
	// +optional
	ConfigMapRef *ConfigMapKeyReference `json:"configMapRef,omitempty"`

	// url the operator fetches the document from, again and again. It must be
	// https at a public address, unless the IdentityServer allows its network.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+([/?][^#\\\\s]*)?$')",message="must be an absolute http or https URL without user name or fragment"
	URL string `json:"url,omitempty"`

	// refreshInterval is how long a fetched document is used, give or take a
	// tenth, before it is fetched again: 1m to 720h, or less where the document
	// says so. Absent: 24h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('720h')",message="must be 1m to 720h"
	RefreshInterval Duration `json:"refreshInterval,omitempty"`

	// trustedCertificate (X.509 in PEM) must verify the signature of the
	// document, which is refused without one. Absent: signatures are not looked at.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="must be PEM: text that begins with -----BEGIN CERTIFICATE-----"
	TrustedCertificate string `json:"trustedCertificate,omitempty"`

	// allowSHA1 takes requests signed with SHA-1 too, which can be forged; for
	// service providers that can do no better. Absent: false.
	// +optional
	AllowSHA1 *bool `json:"allowSHA1,omitempty"`
}

// ServiceProviderStatus tells what a service provider is known by.
type ServiceProviderStatus struct {
	// entityID is the service provider's name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	EntityID string `json:"entityID,omitempty"`

	// assertionConsumerServices are the addresses that responses are sent to, the
	// default one first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=2048
	AssertionConsumerServices []string `json:"assertionConsumerServices,omitempty"`

	// certificates are the service provider's own.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Certificates []ServiceProviderCertificateStatus `json:"certificates,omitempty"`

	// requestsSigned tells whether unsigned requests are refused.
	// +optional
	RequestsSigned *bool `json:"requestsSigned,omitempty"`

	// metadata tells of the document that this was read from.
	// +optional
	Metadata *MetadataStatus `json:"metadata,omitempty"`
}

// ServiceProviderCertificateStatus tells of a service provider's certificate.
type ServiceProviderCertificateStatus struct {
	// use is signing or encryption. Absent: both.
	// +optional
	// +kubebuilder:validation:Enum=signing;encryption
	Use string `json:"use,omitempty"`

	// fingerprint is the SHA-256 of the DER form, as AA:BB:….
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Fingerprint string `json:"fingerprint,omitempty"`

	// notAfter is when the certificate expires. Its key goes on being used.
	// +required
	NotAfter metav1.Time `json:"notAfter,omitempty,omitzero"`
}

// MetadataStatus tells of a service provider's metadata in use.
type MetadataStatus struct {
	// digest is the SHA-256 of the document, in hexadecimal.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`

	// fetchedAt is when the document was last fetched, or found unchanged.
	// +optional
	FetchedAt metav1.Time `json:"fetchedAt,omitempty,omitzero"`

	// validUntil is when the document says that it expires.
	// +optional
	ValidUntil metav1.Time `json:"validUntil,omitempty,omitzero"`

	// assertionsSigned tells whether the service provider wants assertions
	// signed (WantAssertionsSigned).
	// +optional
	AssertionsSigned *bool `json:"assertionsSigned,omitempty"`

	// nameIDFormats are those that the service provider takes. Absent: it does not say.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	NameIDFormats []string `json:"nameIDFormats,omitempty"`
}
