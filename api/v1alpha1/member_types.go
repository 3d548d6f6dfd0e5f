/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MemberSpec declares a person who can log in (O3.1).
// +kubebuilder:validation:XValidation:rule="self.tenantRef == oldSelf.tenantRef",message="tenantRef is immutable; a member cannot move to another tenant"
// +kubebuilder:validation:XValidation:rule="self.role != 'SuperAdmin' || !has(self.additionalPermissions)",message="a SuperAdmin always holds every additional permission; remove additionalPermissions"
type MemberSpec struct {
	// tenantRef names the Tenant this person belongs to.
	// +required
	TenantRef TenantReference `json:"tenantRef,omitempty,omitzero"`

	// name of the person.
	// +required
	Name PersonName `json:"name,omitempty,omitzero"`

	// mail is the log-in name. It is unique over the whole IdentityServer,
	// compared without regard to case.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@\\\\p{Z}\\\\p{C}\\'\"<>(),;:\\\\\\\\[\\\\]]+@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$')",message="must be a mail address such as taro@example.co.jp, without spaces, quotes or apostrophes"
	Mail string `json:"mail,omitempty"`

	// role in the tenant: SuperAdmin 特権管理者, GroupCreator
	// 一般スタッフ(グループ作成可), or Staff 一般スタッフ (O3.2).
	// +required
	Role Role `json:"role,omitempty"`

	// additionalPermissions beside the role are AssetManager 物品管理者 and
	// DeviceManager 機器管理権限.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	AdditionalPermissions []AdditionalPermission `json:"additionalPermissions,omitempty"`

	// permissions are application permissions given to this member (O11).
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	Permissions []PermissionGrant `json:"permissions,omitempty"`

	// timeZone is an IANA time zone. Absent: the tenant's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`

	// language of pages and mails: ja or en. Absent: the tenant's.
	// +optional
	Language Language `json:"language,omitempty"`

	// phone number.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9+()# -]+$')",message="must consist of digits, spaces and + - ( ) #"
	Phone string `json:"phone,omitempty"`

	// image is the profile picture.
	// +optional
	Image *ImageSource `json:"image,omitempty"`

	// attributes are values of the tenant's custom attributes, by attribute name.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=100
	Attributes map[string]AttributeValue `json:"attributes,omitempty"`

	// passwordSetup is how the member gets a first password (O3.3): MailLink (a
	// mailed link, valid 7 days), TemporaryPassword (in a Secret named in
	// status.password.secretRef, valid 7 days, to be changed at the first
	// log-in), or None. Absent: MailLink.
	// +optional
	PasswordSetup PasswordSetup `json:"passwordSetup,omitempty"`

	// suspended refuses log-in and SSO from the next request on (O3.6). Absent: false.
	// +optional
	Suspended *bool `json:"suspended,omitempty"`
}

// PersonName is a person's name with its reading.
type PersonName struct {
	// family name 姓.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Family string `json:"family,omitempty"`

	// given name 名.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Given string `json:"given,omitempty"`

	// phoneticFamily is the reading of the family name 姓(カナ).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	PhoneticFamily string `json:"phoneticFamily,omitempty"`

	// phoneticGiven is the reading of the given name 名(カナ).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	PhoneticGiven string `json:"phoneticGiven,omitempty"`
}

// AttributeValue is the value of a custom attribute.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
type AttributeValue string

// Role is what a member may do in the tenant.
// +kubebuilder:validation:Enum=SuperAdmin;GroupCreator;Staff
type Role string

// AdditionalPermission is a right beside the role.
// +kubebuilder:validation:Enum=AssetManager;DeviceManager
type AdditionalPermission string

// PasswordSetup is how a member gets a first password.
// +kubebuilder:validation:Enum=MailLink;TemporaryPassword;None
type PasswordSetup string

// MemberState says in one word whether the member can log in.
// +kubebuilder:validation:Enum=Active;PasswordPending;PasswordExpired;Locked;Suspended;NotPublished
type MemberState string

// The member states.
const (
	// MemberActive: the member can log in.
	MemberActive MemberState = "Active"
	// MemberPasswordPending: a link or temporary password waits to be used.
	MemberPasswordPending MemberState = "PasswordPending"
	// MemberPasswordExpired: the link or temporary password ran out; reset it
	// with the reset-password annotation.
	MemberPasswordExpired MemberState = "PasswordExpired"
	// MemberLocked: too many wrong passwords; it ends by itself.
	MemberLocked MemberState = "Locked"
	// MemberSuspended: spec.suspended is true.
	MemberSuspended MemberState = "Suspended"
	// MemberNotPublished: the member is not live in the IdP; the conditions say why.
	MemberNotPublished MemberState = "NotPublished"
)

// MemberStatus tells how the member is.
type MemberStatus struct {
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

	// id is the public member ID, a UUID that never changes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	ID string `json:"id,omitempty"`

	// state says in one word whether the member can log in, and why not.
	// +optional
	State MemberState `json:"state,omitempty"`

	// mailKind is Internal where the mail is in one of the tenant's domains,
	// External otherwise.
	// +optional
	// +kubebuilder:validation:Enum=Internal;External
	MailKind string `json:"mailKind,omitempty"`

	// lastLogin is when the member last logged in, to within 15 minutes; absent
	// until the first time.
	// +optional
	LastLogin metav1.Time `json:"lastLogin,omitempty,omitzero"`

	// password tells what the member can log in with.
	// +optional
	Password *PasswordStatus `json:"password,omitempty"`

	// groups are those the member is in.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1000
	Groups []MemberGroup `json:"groups,omitempty"`

	// additionalPermissions are those held; a SuperAdmin holds all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	AdditionalPermissions []AdditionalPermission `json:"additionalPermissions,omitempty"`

	// permissions are the effective application permissions and where they come from.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Permissions []EffectivePermission `json:"permissions,omitempty"`

	// provisioningFailures tell in which services the member's account is not as
	// declared, and why (O7.4). The Accounts have the rest.
	// +optional
	// +listType=map
	// +listMapKey=target
	// +kubebuilder:validation:MaxItems=100
	ProvisioningFailures []ProvisioningFailure `json:"provisioningFailures,omitempty"`

	// publishedTo is where the member is live, so that it can be taken out
	// again even when the Tenant is gone.
	// +optional
	PublishedTo *PublishedTo `json:"publishedTo,omitempty"`
}

// ProvisioningFailure tells why an account is not as declared.
type ProvisioningFailure struct {
	// target is the ProvisioningTarget's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Target string `json:"target,omitempty"`

	// cause in one word, as in the Account's status.error.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Cause string `json:"cause,omitempty"`

	// message says what to do.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}

// PasswordStatus tells what a member can log in with.
type PasswordStatus struct {
	// state is None, LinkSent, Temporary, Expired or Set.
	// +required
	// +kubebuilder:validation:Enum=None;LinkSent;Temporary;Expired;Set
	State string `json:"state,omitempty"`

	// expiresAt is when the link or temporary password ends.
	// +optional
	ExpiresAt metav1.Time `json:"expiresAt,omitempty,omitzero"`

	// secretRef names the Secret with the temporary password (keys username and
	// password); it is deleted when the password is used or expires.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// lastReset is the value of the reset-password annotation that was last
	// carried out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	LastReset string `json:"lastReset,omitempty"`

	// mailError is why the last password mail could not be sent; it is tried again.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	MailError string `json:"mailError,omitempty"`
}

// MemberGroup is a group that a member is in.
type MemberGroup struct {
	// name of the Group.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// role in the group: Administrator or User.
	// +required
	Role GroupRole `json:"role,omitempty"`
}

// EffectivePermission is a permission a member holds, and why (O11.1).
type EffectivePermission struct {
	// appRef names the app.
	// +required
	AppRef AppReference `json:"appRef,omitempty,omitzero"`

	// own is the permission given to the member itself.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Own string `json:"own,omitempty"`

	// effective is the highest of all that apply.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Effective string `json:"effective,omitempty"`

	// source of the effective permission: Member, Group or Default.
	// +required
	// +kubebuilder:validation:Enum=Member;Group;Default
	Source string `json:"source,omitempty"`

	// group that gives it, where source is Group.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
}

// PublishedTo is where an object is live.
type PublishedTo struct {
	// identityServer that serves it.
	// +required
	IdentityServer IdentityServerReference `json:"identityServer,omitempty,omitzero"`

	// tenant is the slug it is published under.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Tenant string `json:"tenant,omitempty"`
}

// Member is a person who can log in.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mem,categories=tegata
// +kubebuilder:selectablefield:JSONPath=`.spec.tenantRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.mail`
// +kubebuilder:selectablefield:JSONPath=`.spec.role`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Mail",type=string,JSONPath=`.spec.mail`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Last Login",type=date,JSONPath=`.status.lastLogin`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Role",type=string,priority=1,JSONPath=`.spec.role`
// +kubebuilder:printcolumn:name="ID",type=string,priority=1,JSONPath=`.status.id`
// +kubebuilder:printcolumn:name="Password",type=string,priority=1,JSONPath=`.status.password.state`
// +kubebuilder:printcolumn:name="Mail Kind",type=string,priority=1,JSONPath=`.status.mailKind`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Member struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the member.
	// +required
	Spec MemberSpec `json:"spec,omitempty,omitzero"`

	// status tells how the member is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Published", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status MemberStatus `json:"status,omitempty,omitzero"`
}

// MemberList is a list of Members.
// +kubebuilder:object:root=true
type MemberList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Member `json:"items"`
}
