/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SAMLAppSpec declares a SAML 2.0 service provider that members log in to (O6).
// +kubebuilder:validation:XValidation:rule="self.tenantRef == oldSelf.tenantRef",message="tenantRef is immutable; an app cannot move to another tenant"
// +kubebuilder:validation:XValidation:rule="!has(self.defaultPermission) || (has(self.permissions) && self.permissions.exists(p, p.name == self.defaultPermission))",message="defaultPermission must be one of permissions"
// +kubebuilder:validation:XValidation:rule="!has(self.permissions) || self.permissions.exists(p, has(p.administrator) && p.administrator)",message="at least one of permissions must have administrator: true"
// +kubebuilder:validation:XValidation:rule="has(self.serviceProvider) != has(self.metadata)",message="say how the app is spoken to: set exactly one of serviceProvider and metadata"
// +kubebuilder:validation:XValidation:rule="!has(self.encryption) || !has(self.serviceProvider) || (has(self.serviceProvider.certificates) && self.serviceProvider.certificates.exists(c, !has(c.use) || c.use == 'encryption'))",message="encryption needs a certificate to encrypt to; add the service provider's to serviceProvider.certificates"
type SAMLAppSpec struct {
	// tenantRef names the Tenant the app belongs to.
	// +required
	TenantRef TenantReference `json:"tenantRef,omitempty,omitzero"`

	// displayName is what members see in the portal.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	DisplayName string `json:"displayName,omitempty"`

	// icon is shown in the portal. Absent: the first letter of displayName.
	// +optional
	Icon *ImageSource `json:"icon,omitempty"`

	// portal says how the app appears in the portal. Absent: shown, and opened
	// by a log-in that starts here.
	// +optional
	Portal *SAMLAppPortal `json:"portal,omitempty"`

	// flow is who starts a log-in: SPInitiated (default; the app may send
	// requests) or IdPInitiated (requests are refused; log-in starts here).
	// +optional
	Flow SAMLFlow `json:"flow,omitempty"`

	// serviceProvider describes the app's SAML side. Absent: metadata does.
	// +optional
	ServiceProvider ServiceProvider `json:"serviceProvider,omitempty,omitzero"`

	// metadata is where the service provider's own SAML metadata is, which says
	// what serviceProvider says otherwise. Absent: serviceProvider says it.
	// +optional
	Metadata *ServiceProviderMetadata `json:"metadata,omitempty"`

	// signing says what is signed, and how. Absent: response and assertion, with SHA-256.
	// +optional
	Signing *SAMLSigning `json:"signing,omitempty"`

	// encryption of assertions, to the first of serviceProvider.certificates
	// that is not for signing only and has an RSA key. Absent: none.
	// +optional
	Encryption *SAMLEncryption `json:"encryption,omitempty"`

	// issuer of everything that is sent to this app, for service providers that
	// want one of their own, such as Microsoft 365 for each domain. Absent: the
	// tenant's entity ID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\s]+$')",message="must not contain spaces"
	Issuer string `json:"issuer,omitempty"`

	// defaultRelayState goes with log-ins that start here, where none is given:
	// most service providers take it for the page to open. Absent: none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\p{Cc}]+$')",message="must not contain control characters"
	DefaultRelayState string `json:"defaultRelayState,omitempty"`

	// nameID says how the app knows a member. Absent: by mail, format emailAddress.
	// +optional
	NameID *NameID `json:"nameID,omitempty"`

	// attributes of the assertion.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Attributes []SAMLAttribute `json:"attributes,omitempty"`

	// permissions that the app knows, highest first (O11.1).
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Permissions []AppPermission `json:"permissions,omitempty"`

	// defaultPermission is what every member of the tenant holds. Absent: none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	DefaultPermission string `json:"defaultPermission,omitempty"`

	// access limits who may use the app. Absent: every member of the tenant.
	// +optional
	Access *AppAccess `json:"access,omitempty"`
}

// SAMLAppPortal says how a SAML app appears in the portal.
type SAMLAppPortal struct {
	// visible shows the app in the portal. Absent: true.
	// +optional
	Visible *bool `json:"visible,omitempty"`

	// loginURL is the app's page that starts a log-in. Absent: the log-in
	// starts here (IdP-initiated).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+([/?#][^\\\\s]*)?$')",message="must be an absolute http or https URL without user name"
	LoginURL string `json:"loginURL,omitempty"`
}

// SAMLFlow is who starts a log-in.
// +kubebuilder:validation:Enum=SPInitiated;IdPInitiated
type SAMLFlow string

// ServiceProvider describes the app's SAML side.
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.requests.signed) || self.requests.signed != 'Required' || (has(self.certificates) && self.certificates.exists(c, !has(c.use) || c.use == 'signing'))",message="requests.signed: Required needs a certificate to verify by; add the service provider's to certificates"
// +kubebuilder:validation:XValidation:rule="!has(self.singleLogoutServices) || (has(self.certificates) && self.certificates.exists(c, !has(c.use) || c.use == 'signing'))",message="singleLogoutServices need a certificate to verify log-out messages by; add the service provider's to certificates"
type ServiceProvider struct {
	// entityID is the service provider's name, exactly as it sends it; it need
	// not be a URL.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\s]+$')",message="must not contain spaces"
	EntityID string `json:"entityID,omitempty"`

	// assertionConsumerServices are the only addresses responses are sent to,
	// compared character by character unless match says otherwise. The one
	// marked default, else the first exact one, is used where a request names none.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule="self.exists(a, !has(a.match) || a.match == 'Exact')",message="at least one assertion consumer service must be an exact address, for answers to requests that name none"
	// +kubebuilder:validation:XValidation:rule="self.filter(a, has(a.default) && a.default).size() <= 1",message="at most one assertion consumer service may be the default"
	// +kubebuilder:validation:XValidation:rule="!self.exists(a, has(a.index)) || self.all(a, (has(a.match) && a.match == 'Pattern') || (has(a.index) && self.exists_one(b, has(b.index) && b.index == a.index)))",message="give every assertion consumer service an index of its own, or none of them one"
	AssertionConsumerServices []AssertionConsumerService `json:"assertionConsumerServices,omitempty"`

	// certificates are the service provider's own, to verify what it signs and
	// to encrypt to it. A request that is signed is refused where none of them
	// verifies it. Only their keys count, not their expiry.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Certificates []ServiceProviderCertificate `json:"certificates,omitempty"`

	// requests says which log-in requests are taken. Absent: unsigned ones, and
	// signed ones that verify.
	// +optional
	Requests *SAMLRequests `json:"requests,omitempty"`

	// singleLogoutServices are the addresses log-out messages are sent to; the
	// first is preferred. The service provider must sign its own. Absent: it is
	// not told of log-outs, and cannot start one.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	SingleLogoutServices []SingleLogoutService `json:"singleLogoutServices,omitempty"`
}

// SingleLogoutService is an address log-out messages are sent to.
type SingleLogoutService struct {
	// binding is HTTPRedirect or HTTPPOST.
	// +required
	Binding SAMLBinding `json:"binding,omitempty"`

	// url that requests to log out are sent to; responses too, where there is
	// no responseURL.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+([/?][^#\\\\s]*)?$')",message="must be an absolute http or https URL without user name or fragment"
	URL string `json:"url,omitempty"`

	// responseURL that answers to the service provider's own requests are sent
	// to. Absent: url.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+([/?][^#\\\\s]*)?$')",message="must be an absolute http or https URL without user name or fragment"
	ResponseURL string `json:"responseURL,omitempty"`
}

// SAMLBinding is how a message travels through the browser.
// +kubebuilder:validation:Enum=HTTPRedirect;HTTPPOST
type SAMLBinding string

// ServiceProviderCertificate is a certificate of a service provider.
type ServiceProviderCertificate struct {
	// certificate is X.509 in PEM, with an RSA or ECDSA key.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="must be PEM: text that begins with -----BEGIN CERTIFICATE-----"
	Certificate string `json:"certificate,omitempty"`

	// use is signing or encryption. Absent: both.
	// +optional
	// +kubebuilder:validation:Enum=signing;encryption
	Use string `json:"use,omitempty"`
}

// SAMLRequests says which log-in requests of an app are taken.
type SAMLRequests struct {
	// signed is Optional (default) or Required: then unsigned requests are refused.
	// +optional
	Signed RequestSigning `json:"signed,omitempty"`

	// allowSHA1 takes signatures with SHA-1 too, which can be forged; for
	// service providers that can do no better. Absent: false.
	// +optional
	AllowSHA1 *bool `json:"allowSHA1,omitempty"`
}

// RequestSigning says whether requests must be signed.
// +kubebuilder:validation:Enum=Optional;Required
type RequestSigning string

// RequestSigningRequired refuses unsigned requests.
const RequestSigningRequired RequestSigning = "Required"

// AssertionConsumerService is an address responses are posted to.
// +kubebuilder:validation:XValidation:rule="!has(self.match) || self.match == 'Exact' || (self.url.matches('^https://[^/?#*]+/[^?#]*[*][^?#]*$') && !(has(self.default) && self.default) && !has(self.index))",message="a pattern begins with https:// and a host without *, has * in its path and no query, and is neither default nor indexed"
type AssertionConsumerService struct {
	// url responses are posted to; with match: Pattern, each * stands for any
	// characters within one segment of the path.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+([/?][^#\\\\s]*)?$')",message="must be an absolute http or https URL without user name or fragment"
	URL string `json:"url,omitempty"`

	// index that requests may refer to, declared for all or none. Absent: the
	// position in the list, from 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Index *int32 `json:"index,omitempty"`

	// default marks the one used where a request names none. Absent: false.
	// +optional
	Default *bool `json:"default,omitempty"`

	// match is Exact (default), or Pattern: for services whose address differs
	// from request to request, such as LINE WORKS.
	// +optional
	Match AddressMatch `json:"match,omitempty"`
}

// AddressMatch says how an address is compared.
// +kubebuilder:validation:Enum=Exact;Pattern
type AddressMatch string

// AddressPattern compares segment by segment, where * stands for any characters.
const AddressPattern AddressMatch = "Pattern"

// SAMLSigning says what is signed, and how.
type SAMLSigning struct {
	// mode is ResponseAndAssertion (default), Response, or Assertion.
	// +optional
	Mode SigningMode `json:"mode,omitempty"`

	// hash of signatures and digests is SHA256 (default), SHA384, SHA512, or
	// SHA1, which can be forged: for service providers that know no other.
	// +optional
	Hash SigningHash `json:"hash,omitempty"`
}

// SigningMode is what carries a signature.
// +kubebuilder:validation:Enum=ResponseAndAssertion;Response;Assertion
type SigningMode string

// SigningHash is what signatures are made over.
// +kubebuilder:validation:Enum=SHA256;SHA384;SHA512;SHA1
type SigningHash string

// SAMLEncryption says how assertions are encrypted.
type SAMLEncryption struct {
	// algorithm is AES256GCM (default), AES128GCM, AES256CBC or AES128CBC. CBC
	// does not protect the content against changes: for service providers that
	// know no GCM.
	// +optional
	Algorithm EncryptionAlgorithm `json:"algorithm,omitempty"`
}

// EncryptionAlgorithm is how the content of an assertion is encrypted.
// +kubebuilder:validation:Enum=AES256GCM;AES128GCM;AES256CBC;AES128CBC
type EncryptionAlgorithm string

// NameID says how the app knows a member (O6.2).
// +kubebuilder:validation:XValidation:rule="self.format != 'emailAddress' || !has(self.attribute)",message="emailAddress takes the member's mail and no attribute"
// +kubebuilder:validation:XValidation:rule="self.format != 'unspecified' || has(self.attribute)",message="unspecified needs attribute: the name of a unique custom attribute"
// +kubebuilder:validation:XValidation:rule="!has(self.field) || (self.format == 'persistent' && !has(self.attribute))",message="field goes with format persistent, and without attribute"
// +kubebuilder:validation:XValidation:rule="self.format == 'persistent' || !(has(self.nameQualifier) || has(self.spNameQualifier))",message="nameQualifier and spNameQualifier go with format persistent"
type NameID struct {
	// format is emailAddress, persistent, transient or unspecified.
	// +required
	Format NameIDFormat `json:"format,omitempty"`

	// attribute is the unique custom attribute whose value is sent, for formats
	// other than emailAddress. Absent: persistent sends an identifier that is
	// made for this app and this member alone and never changes, transient a new
	// one each time.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Attribute string `json:"attribute,omitempty"`

	// field immutableID sends the member's ID as Entra ID keeps it in
	// onPremisesImmutableId: 32 hexadecimal digits. It is for Microsoft 365 and
	// format persistent. Absent: attribute, or what is said there.
	// +optional
	Field NameIDField `json:"field,omitempty"`

	// nameQualifier is sent with a persistent identifier. Absent: the issuer,
	// with an identifier that is made here; none with attribute or field.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	NameQualifier string `json:"nameQualifier,omitempty"`

	// spNameQualifier is sent with a persistent identifier. Absent: the service
	// provider's entity ID, with an identifier that is made here; none with
	// attribute or field.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	SPNameQualifier string `json:"spNameQualifier,omitempty"`
}

// NameIDField is a field of the member that a name ID can carry.
// +kubebuilder:validation:Enum=immutableID
type NameIDField string

// NameIDFormat is the last part of the SAML format URI.
// +kubebuilder:validation:Enum=emailAddress;persistent;transient;unspecified
type NameIDFormat string

// SAMLAttribute is one attribute of the assertion.
// +kubebuilder:validation:XValidation:rule="(has(self.from) ? 1 : 0) + (has(self.value) ? 1 : 0) + (has(self.values) ? 1 : 0) == 1",message="set exactly one of from, value and values"
type SAMLAttribute struct {
	// name of the SAML attribute.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Name string `json:"name,omitempty"`

	// nameFormat is unspecified (default), basic or uri.
	// +optional
	// +kubebuilder:validation:Enum=unspecified;basic;uri
	NameFormat string `json:"nameFormat,omitempty"`

	// from takes the value from the member.
	// +optional
	From *AttributeSource `json:"from,omitempty"`

	// value is a fixed value.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value,omitempty"`

	// values are fixed values of an attribute that has several, in this order.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Values []string `json:"values,omitempty"`
}

// AttributeSource is where an attribute's value comes from.
// +kubebuilder:validation:XValidation:rule="!has(self.domain) || has(self.attribute) || self.field == 'mail'",message="domain goes with field mail or an attribute"
// +kubebuilder:validation:XValidation:rule="has(self.field) != has(self.attribute)",message="set exactly one of field and attribute"
type AttributeSource struct {
	// field of the member.
	// +optional
	Field MemberField `json:"field,omitempty"`

	// attribute is a custom attribute of the tenant.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Attribute string `json:"attribute,omitempty"`

	// domain takes the place of what follows @ in the value, for services whose
	// user names are in another domain than the mail addresses, for example
	// acme.example. It is added where the value has no @. Absent: the value as it is.
	// +optional
	Domain MailDomain `json:"domain,omitempty"`
}

// MemberField is a field that a SAML attribute can carry. groups sends the
// display names of the member's groups, permission the effective permission
// for this app.
// +kubebuilder:validation:Enum=id;mail;displayName;familyName;givenName;phoneticFamilyName;phoneticGivenName;phone;language;timeZone;role;groups;permission;additionalPermissions
type MemberField string

// AppPermission is a permission that an app knows (O11.1).
type AppPermission struct {
	// name that grants and assertions use.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// displayName is what people read. Absent: name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	DisplayName string `json:"displayName,omitempty"`

	// administrator lets its holder assign this app's permissions (O11.2). Absent: false.
	// +optional
	Administrator *bool `json:"administrator,omitempty"`
}

// AppAccess limits who may use an app.
type AppAccess struct {
	// groups whose participants may use the app.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	Groups []GroupReference `json:"groups,omitempty"`
}

// SAMLAppStatus tells what the service provider's administrator must enter, and how the app is.
type SAMLAppStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Accepted, ResolvedRefs, Published; Reconciling and
	// Stalled while they hold; MetadataCurrent with spec.metadata.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// issuer is the identity provider's entity ID, as this app gets it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Issuer string `json:"issuer,omitempty"`

	// singleSignOnURL is where the service provider sends its requests.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	SingleSignOnURL string `json:"singleSignOnURL,omitempty"`

	// singleLogoutURL is where the service provider sends its log-out messages.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	SingleLogoutURL string `json:"singleLogoutURL,omitempty"`

	// metadataURL is the identity provider's SAML metadata.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	MetadataURL string `json:"metadataURL,omitempty"`

	// initiateURL starts a log-in to this app from here.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	InitiateURL string `json:"initiateURL,omitempty"`

	// certificates are those the service provider should trust.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Certificates []Certificate `json:"certificates,omitempty"`

	// serviceProvider is what the app is known by: as declared, or as its
	// metadata says.
	// +optional
	ServiceProvider *ServiceProviderStatus `json:"serviceProvider,omitempty"`

	// publishedTo is where the app is live.
	// +optional
	PublishedTo *PublishedTo `json:"publishedTo,omitempty"`
}

// SAMLApp is a SAML 2.0 service provider that members log in to.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sapp,categories=tegata
// +kubebuilder:printcolumn:name="Display Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Flow",type=string,JSONPath=`.spec.flow`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Entity ID",type=string,priority=1,JSONPath=`.status.serviceProvider.entityID`
// +kubebuilder:printcolumn:name="Single Sign-On URL",type=string,priority=1,JSONPath=`.status.singleSignOnURL`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SAMLApp struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the app.
	// +required
	Spec SAMLAppSpec `json:"spec,omitempty,omitzero"`

	// status tells how the app is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Published", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status SAMLAppStatus `json:"status,omitempty,omitzero"`
}

// SAMLAppList is a list of SAMLApps.
// +kubebuilder:object:root=true
type SAMLAppList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SAMLApp `json:"items"`
}
