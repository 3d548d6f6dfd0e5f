/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantSpec declares a tenant: a company (企業) with members, groups and apps.
// +kubebuilder:validation:XValidation:rule="has(self.slug) == has(oldSelf.slug) && (!has(self.slug) || self.slug == oldSelf.slug)",message="slug is immutable: it stands in the URLs that service providers were given; make a new Tenant instead"
// +kubebuilder:validation:XValidation:rule="self.identityServerRef == oldSelf.identityServerRef",message="identityServerRef is immutable; make a new Tenant instead"
type TenantSpec struct {
	// identityServerRef names the IdentityServer that serves this tenant. It
	// must admit this namespace by its spec.tenants.
	// +required
	IdentityServerRef IdentityServerReference `json:"identityServerRef,omitempty,omitzero"`

	// slug is the tenant's key, unique on its IdentityServer. It stands in URLs
	// and cannot change. Absent: the object's name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must consist of lower-case letters, digits and '-', and start and end with a letter or digit"
	Slug string `json:"slug,omitempty"`

	// displayName is the company's name, shown to members.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	DisplayName string `json:"displayName,omitempty"`

	// contact is where the company can be reached (O1.1).
	// +optional
	Contact *Contact `json:"contact,omitempty"`

	// domains are the company's mail domains. A member whose mail is in none
	// of them is shown as External. Absent: every address is Internal.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Domains []MailDomain `json:"domains,omitempty"`

	// timeZone is the IANA time zone of members that declare none. Absent: Asia/Tokyo.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`

	// language of members that declare none: ja or en. Absent: ja.
	// +optional
	Language Language `json:"language,omitempty"`

	// plan is Free or Plus. Free lacks SAML apps (O1.5). Absent: Plus.
	// +optional
	Plan Plan `json:"plan,omitempty"`

	// licenses is the largest number of members (O1.6). Absent: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	Licenses int32 `json:"licenses,omitempty"`

	// attributes are the custom attributes that members may carry (O4).
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Attributes []AttributeDefinition `json:"attributes,omitempty"`

	// signingKey is what the tenant's SAML messages are signed with. Absent: the
	// operator makes a key pair in the Secret "<name>-saml-signing" and keeps it
	// until the rotate-signing-key annotation asks for another.
	// +optional
	SigningKey *SigningKey `json:"signingKey,omitempty"`

	// deletionGuard holds bursts of deletions, and that of the last SuperAdmin,
	// until they are approved with the approve-deletions annotation (X3). Absent:
	// the defaults of its fields.
	// +optional
	DeletionGuard *DeletionGuard `json:"deletionGuard,omitempty"`
}

// DeletionGuard says how many deletions pass without approval. The larger of
// percent and count holds.
// +kubebuilder:validation:MinProperties=1
type DeletionGuard struct {
	// percent of the members, or of the accounts of one ProvisioningTarget, that
	// may go within the window. Absent: 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// count of members or accounts that may go within the window. Absent: 20.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Count *int32 `json:"count,omitempty"`

	// window in which deletions are counted. Absent: 1h.
	// +optional
	Window Duration `json:"window,omitempty"`
}

// IdentityServerReference names an IdentityServer, in another namespace where
// that one admits it.
type IdentityServerReference struct {
	// name of the IdentityServer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace of the IdentityServer. Absent: this object's namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// MailDomain is a mail domain such as example.co.jp, in lower case.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="must be a mail domain in lower case, for example example.co.jp"
type MailDomain string

// Language is the language of pages and mails.
// +kubebuilder:validation:Enum=ja;en
type Language string

// The languages.
const (
	LanguageJapanese Language = "ja"
	LanguageEnglish  Language = "en"
)

// Plan is what a tenant has subscribed to.
// +kubebuilder:validation:Enum=Free;Plus
type Plan string

// Contact is a company's telephone and address (O1.1).
type Contact struct {
	// phone number.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Phone string `json:"phone,omitempty"`

	// postalCode 郵便番号.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	PostalCode string `json:"postalCode,omitempty"`

	// prefecture 都道府県.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Prefecture string `json:"prefecture,omitempty"`

	// city 市区町村.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	City string `json:"city,omitempty"`

	// street 町名番地.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Street string `json:"street,omitempty"`

	// building 建物名.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Building string `json:"building,omitempty"`
}

// AttributeDefinition declares a custom attribute (O4.1).
// +kubebuilder:validation:XValidation:rule="(has(self.unique) && self.unique) == (has(oldSelf.unique) && oldSelf.unique)",message="unique is immutable; make a new attribute instead"
type AttributeDefinition struct {
	// name is the key that members and apps use.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_-]*$')",message="must start with a letter and consist of letters, digits, '-' and '_'"
	Name string `json:"name,omitempty"`

	// displayName is what people read.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	DisplayName string `json:"displayName,omitempty"`

	// unique forbids that two members share a value; only a unique attribute
	// may serve as NameID. It cannot change. Absent: false.
	// +optional
	Unique *bool `json:"unique,omitempty"`
}

// SigningKey is what SAML messages are signed with.
// +kubebuilder:validation:XValidation:rule="!(has(self.secretRef) && has(self.algorithm))",message="algorithm is that of keys which the operator makes; leave it out beside secretRef"
// +kubebuilder:validation:XValidation:rule="!(has(self.secretRef) && has(self.rotation) && has(self.rotation.interval))",message="a key of secretRef is renewed where it comes from; leave rotation.interval out"
// +kubebuilder:validation:MinProperties=1
type SigningKey struct {
	// secretRef names a kubernetes.io/tls Secret, for example one that
	// cert-manager keeps, with an RSA key of at least 2048 bits or an ECDSA key.
	// It is followed when it changes. Absent: the operator makes the keys.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// algorithm of the keys that the operator makes: RSA2048, RSA3072, RSA4096 or
	// ECDSAP256. A key of another one is rotated away. Absent: RSA2048 for new
	// keys, and the one that is there stays.
	// +optional
	Algorithm KeyAlgorithm `json:"algorithm,omitempty"`

	// rotation says when a key is followed by the next one. Absent: on demand only.
	// +optional
	Rotation *KeyRotation `json:"rotation,omitempty"`
}

// KeyAlgorithm is the kind and size of a signing key.
// +kubebuilder:validation:Enum=RSA2048;RSA3072;RSA4096;ECDSAP256
type KeyAlgorithm string

// KeyRotation says when a signing key is followed by the next one.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || duration(has(self.overlap) ? self.overlap : '720h') < duration(self.interval)",message="overlap, by default 720h, must be shorter than interval"
type KeyRotation struct {
	// interval is how long a key signs: 24h to 43800h (five years). Absent: until
	// the rotate-signing-key annotation asks for another.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('24h') && duration(self) <= duration('43800h')",message="must be 24h to 43800h"
	Interval Duration `json:"interval,omitempty"`

	// overlap is how long the next certificate is published before its key signs,
	// and the previous one after its key did: at least 2h. It must be longer than
	// service providers take to read the metadata again. Absent: 720h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('2h')",message="must be 2h or more"
	Overlap Duration `json:"overlap,omitempty"`
}

// TenantStatus tells how the tenant is.
type TenantStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Accepted, ResolvedRefs, Published; Reconciling and
	// Stalled while they hold.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// slug is the tenant's key.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Slug string `json:"slug,omitempty"`

	// identityServer is where the tenant is published.
	// +optional
	IdentityServer *IdentityServerReference `json:"identityServer,omitempty"`

	// portalURL is where members log in.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	PortalURL string `json:"portalURL,omitempty"`

	// issuer is the SAML entity ID of this tenant.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Issuer string `json:"issuer,omitempty"`

	// metadataURL is where service providers read the SAML metadata.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	MetadataURL string `json:"metadataURL,omitempty"`

	// singleSignOnURL is where service providers send their requests.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	SingleSignOnURL string `json:"singleSignOnURL,omitempty"`

	// singleLogoutURL is where service providers send their log-out messages.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	SingleLogoutURL string `json:"singleLogoutURL,omitempty"`

	// certificates are those that service providers should trust, the Current one first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Certificates []Certificate `json:"certificates,omitempty"`

	// deletions tells of the deletion guard, while it holds any.
	// +optional
	Deletions *DeletionStatus `json:"deletions,omitempty"`

	// signingKey tells of rotations.
	// +optional
	SigningKey *SigningKeyStatus `json:"signingKey,omitempty"`

	// members counts the members that are live in the IdP.
	// +optional
	Members *int32 `json:"members,omitempty"`

	// pendingMembers counts those of them who have not set a password yet.
	// +optional
	PendingMembers *int32 `json:"pendingMembers,omitempty"`

	// licensesLeft is how many members can still be added, where spec.licenses is set.
	// +optional
	LicensesLeft *int32 `json:"licensesLeft,omitempty"`
}

// SigningKeyStatus tells of the rotations of a tenant's signing key.
type SigningKeyStatus struct {
	// nextFrom is when the certificate with use Next becomes Current.
	// +optional
	NextFrom metav1.Time `json:"nextFrom,omitempty,omitzero"`

	// previousUntil is when the certificate with use Previous leaves the metadata.
	// +optional
	PreviousUntil metav1.Time `json:"previousUntil,omitempty,omitzero"`

	// lastRotation is the value of the rotate-signing-key annotation that was last
	// carried out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	LastRotation string `json:"lastRotation,omitempty"`

	// lastReplacement is the value of the replace-signing-key annotation that was
	// last carried out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	LastReplacement string `json:"lastReplacement,omitempty"`
}

// DeletionStatus tells of deletions that are held.
type DeletionStatus struct {
	// held is how many deletions wait for approval.
	// +optional
	Held *int32 `json:"held,omitempty"`

	// lastApproval is the value of the approve-deletions annotation that was last
	// carried out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	LastApproval string `json:"lastApproval,omitempty"`
}

// Tenant is a company whose members log in.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tn,categories=tegata
// +kubebuilder:validation:XValidation:rule="has(self.spec.slug) || (self.metadata.name.size() <= 63 && !self.metadata.name.contains('.'))",message="a name with dots or more than 63 characters cannot stand in URLs; set spec.slug"
// +kubebuilder:printcolumn:name="Display Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.members`
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pendingMembers`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Issuer",type=string,priority=1,JSONPath=`.status.issuer`
// +kubebuilder:printcolumn:name="Certificate Expiry",type=string,priority=1,JSONPath=`.status.certificates[0].notAfter`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Tenant struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the tenant.
	// +required
	Spec TenantSpec `json:"spec,omitempty,omitzero"`

	// status tells how the tenant is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Published", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status TenantStatus `json:"status,omitempty,omitzero"`
}

// TenantList is a list of Tenants.
// +kubebuilder:object:root=true
type TenantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Tenant `json:"items"`
}
