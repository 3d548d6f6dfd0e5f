/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ProvisioningTargetSpec declares a service in which the tenant's members have
// accounts that the operator keeps (O7).
// +kubebuilder:validation:XValidation:rule="self.tenantRef == oldSelf.tenantRef",message="tenantRef is immutable; make a new ProvisioningTarget instead"
// +kubebuilder:validation:XValidation:rule="[has(self.entraID), has(self.mdm), has(self.scim)].exists_one(x, x)",message="set exactly one of entraID, mdm and scim"
// +kubebuilder:validation:XValidation:rule="has(self.entraID) == has(oldSelf.entraID) && has(self.mdm) == has(oldSelf.mdm) && has(self.scim) == has(oldSelf.scim)",message="the kind of target cannot change: its accounts belong to the service; make a new ProvisioningTarget instead"
// +kubebuilder:validation:XValidation:rule="!has(self.groups) || has(self.scim)",message="groups are for scim targets"
type ProvisioningTargetSpec struct {
	// tenantRef names the Tenant whose members get accounts.
	// +required
	TenantRef TenantReference `json:"tenantRef,omitempty,omitzero"`

	// entraID is a Microsoft Entra ID tenant (O7.1).
	// +optional
	EntraID *EntraID `json:"entraID,omitempty"`

	// mdm is a mobile device management service (O7.3).
	// +optional
	MDM *MDM `json:"mdm,omitempty"`

	// scim is any service that speaks SCIM 2.0 (RFC 7643, RFC 7644).
	// +optional
	SCIM *SCIM `json:"scim,omitempty"`

	// members says who gets an account. Absent: every member.
	// +optional
	Members *TargetMembers `json:"members,omitempty"`

	// groups are those made in the service too, with the members that have
	// accounts there. Absent: none.
	// +optional
	Groups *TargetGroups `json:"groups,omitempty"`

	// attributes fill further properties of the service, by its own property
	// names. They go before the ones that are filled by default; docs/ has those
	// of each kind.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Attributes []TargetAttribute `json:"attributes,omitempty"`

	// deletionPolicy says what happens to the account of somebody who is deleted
	// or no longer selected: Disable it, Delete it, or Retain it as it is. A
	// scheduled sync never deletes in Entra ID (O7.2). Absent: Disable.
	// +optional
	DeletionPolicy TargetDeletionPolicy `json:"deletionPolicy,omitempty"`

	// adoption says what happens where an account with a member's user name or
	// mail exists that Tegata did not make: Never touches it and reports a
	// conflict, ByUserName takes it over. Absent: Never.
	// +optional
	Adoption AdoptionPolicy `json:"adoption,omitempty"`

	// schedule of the sync of all accounts. Absent: at minute 0 of every hour for
	// entraID, at 03:00 in the tenant's time zone otherwise.
	// +optional
	Schedule *Schedule `json:"schedule,omitempty"`

	// writesPerSecond is the budget of changes to the service. Absent: 15 for
	// entraID, which is what Microsoft Graph takes over long, 5 otherwise.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	WritesPerSecond int32 `json:"writesPerSecond,omitempty"`
}

// TargetDeletionPolicy says what happens to an account that nobody should have.
// +kubebuilder:validation:Enum=Delete;Disable;Retain
type TargetDeletionPolicy string

// The deletion policies.
const (
	DeleteAccounts  TargetDeletionPolicy = "Delete"
	DisableAccounts TargetDeletionPolicy = "Disable"
	RetainAccounts  TargetDeletionPolicy = "Retain"
)

// AdoptionPolicy says what happens to accounts that were there before.
// +kubebuilder:validation:Enum=Never;ByUserName
type AdoptionPolicy string

// The adoption policies.
const (
	AdoptNever      AdoptionPolicy = "Never"
	AdoptByUserName AdoptionPolicy = "ByUserName"
)

// TargetMembers selects members.
// +kubebuilder:validation:MinProperties=1
type TargetMembers struct {
	// selector matches labels of Members. An empty one matches everybody.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// groups whose members are selected; both have to hold where selector is set.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Groups []GroupReference `json:"groups,omitempty"`
}

// TargetGroups selects groups.
type TargetGroups struct {
	// selector matches labels of Groups. An empty one matches every group.
	// +required
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// TargetAttribute fills one property of a service.
// +kubebuilder:validation:XValidation:rule="has(self.from) != has(self.value)",message="set exactly one of from and value"
type TargetAttribute struct {
	// name of the property there, for example department, or for scim a path such as
	// urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// from is where the value comes from.
	// +optional
	From *TargetAttributeSource `json:"from,omitempty"`

	// value is a fixed value.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value,omitempty"`
}

// TargetAttributeSource is where a property's value comes from.
// +kubebuilder:validation:XValidation:rule="has(self.field) != has(self.attribute)",message="set exactly one of field and attribute"
type TargetAttributeSource struct {
	// field of the member.
	// +optional
	Field TargetField `json:"field,omitempty"`

	// attribute is a custom attribute of the tenant.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Attribute string `json:"attribute,omitempty"`
}

// TargetField is a field of a member that a property can carry.
// +kubebuilder:validation:Enum=id;name;mail;mailLocalPart;displayName;familyName;givenName;phoneticFamilyName;phoneticGivenName;phone;language;timeZone;role
type TargetField string

// Schedule says when something happens again and again.
type Schedule struct {
	// cron is a cron expression of five fields: minute, hour, day of month, month,
	// day of week. Example: 0 3 * * *
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=100
	Cron string `json:"cron,omitempty"`

	// timeZone is the IANA time zone of cron. Absent: the tenant's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// EntraID is a Microsoft Entra ID tenant with an app registration of its
// administrator; docs/entra-id.md tells how to make one.
// +kubebuilder:validation:XValidation:rule="has(self.clientSecretRef) != has(self.clientCertificateRef)",message="set exactly one of clientSecretRef and clientCertificateRef"
// +kubebuilder:validation:XValidation:rule="self.tenantID == oldSelf.tenantID",message="tenantID is immutable: its accounts belong to that tenant; make a new ProvisioningTarget instead"
type EntraID struct {
	// tenantID is the directory (tenant) ID, a GUID.
	// +required
	TenantID GUID `json:"tenantID,omitempty"`

	// clientID is the application (client) ID, a GUID.
	// +required
	ClientID GUID `json:"clientID,omitempty"`

	// clientSecretRef names the key of a Secret with the client secret's value.
	// +optional
	ClientSecretRef *SecretKeyReference `json:"clientSecretRef,omitempty"`

	// clientCertificateRef names a kubernetes.io/tls Secret whose certificate is
	// registered with the app.
	// +optional
	ClientCertificateRef *SecretReference `json:"clientCertificateRef,omitempty"`

	// clientSecretExpires is when the client secret ends, where the app may not
	// read that itself (Application.Read.All). It is warned of ahead.
	// +optional
	ClientSecretExpires metav1.Time `json:"clientSecretExpires,omitempty,omitzero"`

	// domain is a verified domain of the tenant, in which user principal names are
	// made: the part of the mail before @, and this domain, or one of otherDomains.
	// +required
	Domain MailDomain `json:"domain,omitempty"`

	// otherDomains are further verified domains of the tenant. A member whose mail
	// is in one of them has the user principal name in it, and not in domain.
	// Absent: all are in domain.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	OtherDomains []MailDomain `json:"otherDomains,omitempty"`

	// cloud is Global (and GCC), USGovernment (GCC High), USGovernmentDoD or
	// China. Absent: Global.
	// +optional
	Cloud EntraCloud `json:"cloud,omitempty"`

	// endpoints replace the addresses of the cloud. Absent: those of the cloud.
	// +optional
	Endpoints *EntraEndpoints `json:"endpoints,omitempty"`

	// usageLocation is the two-letter country that users get, which licences need
	// (ISO 3166). Absent: not set.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=2
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z]{2}$')",message="must be two capital letters, for example JP"
	UsageLocation string `json:"usageLocation,omitempty"`

	// roles give directory roles by member role. Absent: none; members who hold
	// roles cannot be changed by an app without a higher role of its own.
	// +optional
	// +listType=map
	// +listMapKey=role
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Roles []EntraRoleMapping `json:"roles,omitempty"`

	// federation makes this tenant's IdP the log-in of the domain in Microsoft
	// 365. Absent: off.
	// +optional
	Federation *EntraFederation `json:"federation,omitempty"`
}

// GUID is a Microsoft identifier such as 11111111-2222-3333-4444-555555555555.
// +kubebuilder:validation:MinLength=36
// +kubebuilder:validation:MaxLength=36
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$')",message="must be a GUID such as 11111111-2222-3333-4444-555555555555"
type GUID string

// EntraCloud is a cloud of Microsoft.
// +kubebuilder:validation:Enum=Global;USGovernment;USGovernmentDoD;China
type EntraCloud string

// EntraEndpoints are addresses of a cloud.
type EntraEndpoints struct {
	// login is the origin that gives tokens, for example https://login.microsoftonline.com.
	// +required
	Login Origin `json:"login,omitempty"`

	// graph is the origin of Microsoft Graph, for example https://graph.microsoft.com.
	// +required
	Graph Origin `json:"graph,omitempty"`
}

// Origin is a scheme and a host.
// +kubebuilder:validation:MinLength=8
// +kubebuilder:validation:MaxLength=300
// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[A-Za-z0-9.:\\\\[\\\\]-]+$')",message="must be an origin such as https://graph.microsoft.com, without a path"
type Origin string

// EntraRoleMapping gives a directory role to the members of one role.
type EntraRoleMapping struct {
	// role of the members.
	// +required
	Role Role `json:"role,omitempty"`

	// directoryRole is the role's template ID there, for example
	// fe930be7-5e62-47db-91af-98c3a49a38b1 (User Administrator).
	// +required
	DirectoryRole GUID `json:"directoryRole,omitempty"`
}

// EntraFederation makes the IdP the log-in of a Microsoft 365 domain.
type EntraFederation struct {
	// samlAppRef names the SAMLApp that answers Microsoft 365: entity ID
	// urn:federation:MicrosoftOnline, an issuer of its own, NameID persistent from
	// the Entra ID immutable ID. docs/entra-id.md has it.
	// +required
	SAMLAppRef SAMLAppReference `json:"samlAppRef,omitempty,omitzero"`

	// mfa says whose second factor counts: AcceptIfDoneByIdP, EnforceByIdP or
	// RejectFromIdP. Once set there it cannot be unset. Absent: Microsoft's default.
	// +optional
	MFA FederatedMFA `json:"mfa,omitempty"`
}

// FederatedMFA says whose second factor counts.
// +kubebuilder:validation:Enum=AcceptIfDoneByIdP;EnforceByIdP;RejectFromIdP
type FederatedMFA string

// SAMLAppReference names a SAMLApp.
type SAMLAppReference struct {
	// name of a SAMLApp in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// MDM is a mobile device management service.
// +kubebuilder:validation:XValidation:rule="[has(self.rest), has(self.scim), has(self.intune)].exists_one(x, x)",message="set exactly one of rest, scim and intune"
// +kubebuilder:validation:XValidation:rule="has(self.rest) == has(oldSelf.rest) && has(self.scim) == has(oldSelf.scim) && has(self.intune) == has(oldSelf.intune)",message="the way to the MDM cannot change; make a new ProvisioningTarget instead"
type MDM struct {
	// rest is a service that speaks Tegata's MDM contract (docs/mdm-openapi.yaml).
	// +optional
	REST *MDMREST `json:"rest,omitempty"`

	// scim is an MDM that takes its users by SCIM 2.0.
	// +optional
	SCIM *SCIM `json:"scim,omitempty"`

	// intune reads the devices of Microsoft Intune; its users come from an entraID target.
	// +optional
	Intune *Intune `json:"intune,omitempty"`

	// roles are the service's words for member roles. Absent: administrator for
	// SuperAdmin, general for others (O7.3).
	// +optional
	// +listType=map
	// +listMapKey=role
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Roles []RoleMapping `json:"roles,omitempty"`
}

// RoleMapping is a service's word for a member role.
type RoleMapping struct {
	// role of the members.
	// +required
	Role Role `json:"role,omitempty"`

	// value is what the service calls it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Value string `json:"value,omitempty"`
}

// MDMREST is a service that speaks Tegata's MDM contract.
type MDMREST struct {
	// url is where the contract's paths begin.
	// +required
	URL TargetURL `json:"url,omitempty"`

	// tokenSecretRef names the key of a Secret with the bearer token.
	// +required
	TokenSecretRef SecretKeyReference `json:"tokenSecretRef,omitempty,omitzero"`

	// caBundleRef names a ConfigMap key with the certificates (PEM) that verify
	// the service. Absent: the system's.
	// +optional
	CABundleRef *ConfigMapKeyReference `json:"caBundleRef,omitempty"`
}

// Intune reads managed devices through Microsoft Graph.
type Intune struct {
	// targetRef names the entraID ProvisioningTarget whose app registration is
	// used; it needs DeviceManagementManagedDevices.Read.All.
	// +required
	TargetRef ProvisioningTargetReference `json:"targetRef,omitempty,omitzero"`
}

// ProvisioningTargetReference names a ProvisioningTarget.
type ProvisioningTargetReference struct {
	// name of a ProvisioningTarget in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// TargetURL is the address of a service.
// +kubebuilder:validation:MinLength=8
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https?://[^/?# ]+(/[^?# ]*)?$') && !self.contains('@')",message="must be an absolute http or https URL without a query, a fragment and credentials, for example https://example.com/scim/v2"
type TargetURL string

// SCIM is a service that speaks SCIM 2.0.
type SCIM struct {
	// url is where the service's paths begin, for example https://example.com/scim/v2.
	// +required
	URL TargetURL `json:"url,omitempty"`

	// authentication is how the operator proves who it is.
	// +required
	Authentication SCIMAuthentication `json:"authentication,omitempty,omitzero"`

	// updates are sent by PATCH or by PUT of the whole user. Absent: what the
	// service's ServiceProviderConfig says, else PATCH.
	// +optional
	Updates SCIMUpdates `json:"updates,omitempty"`

	// userName is what a member is called there: mail or the member's object name.
	// Absent: mail.
	// +optional
	UserName SCIMUserName `json:"userName,omitempty"`

	// caBundleRef names a ConfigMap key with the certificates (PEM) that verify
	// the service. Absent: the system's.
	// +optional
	CABundleRef *ConfigMapKeyReference `json:"caBundleRef,omitempty"`
}

// SCIMUpdates is how changes are sent.
// +kubebuilder:validation:Enum=PATCH;PUT
type SCIMUpdates string

// SCIMUserName is what a member is called.
// +kubebuilder:validation:Enum=mail;name
type SCIMUserName string

// SCIMAuthentication is how the operator proves who it is.
// +kubebuilder:validation:XValidation:rule="[has(self.bearerTokenSecretRef), has(self.basicSecretRef), has(self.oauth)].exists_one(x, x)",message="set exactly one of bearerTokenSecretRef, basicSecretRef and oauth"
type SCIMAuthentication struct {
	// bearerTokenSecretRef names the key of a Secret with a bearer token.
	// +optional
	BearerTokenSecretRef *SecretKeyReference `json:"bearerTokenSecretRef,omitempty"`

	// basicSecretRef names a Secret with the keys username and password.
	// +optional
	BasicSecretRef *SecretReference `json:"basicSecretRef,omitempty"`

	// oauth gets tokens by client credentials (RFC 6749 section 4.4).
	// +optional
	OAuth *SCIMOAuth `json:"oauth,omitempty"`
}

// SCIMOAuth gets tokens by client credentials.
type SCIMOAuth struct {
	// tokenURL gives the tokens.
	// +required
	TokenURL TargetURL `json:"tokenURL,omitempty"`

	// clientID of the operator there.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ClientID string `json:"clientID,omitempty"`

	// clientSecretRef names the key of a Secret with the client secret.
	// +required
	ClientSecretRef SecretKeyReference `json:"clientSecretRef,omitempty,omitzero"`

	// scopes asked for. Absent: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Scopes []OAuthScope `json:"scopes,omitempty"`
}

// OAuthScope is a scope of OAuth 2.0 (RFC 6749 section 3.3).
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
type OAuthScope string

// ProvisioningTargetStatus tells how the target is.
type ProvisioningTargetStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Accepted, ResolvedRefs, Synced; Reconciling and
	// Stalled while they hold.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=12
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// accounts counts the accounts by how they are.
	// +optional
	Accounts *AccountCounts `json:"accounts,omitempty"`

	// lastSync is when the last sync of all accounts ended.
	// +optional
	LastSync metav1.Time `json:"lastSync,omitempty,omitzero"`

	// lastSyncRequest is the value of the sync-now annotation that was last carried
	// out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	LastSyncRequest string `json:"lastSyncRequest,omitempty"`

	// nextSync is when the next one begins.
	// +optional
	NextSync metav1.Time `json:"nextSync,omitempty,omitzero"`

	// progress tells how much work waits, while any does.
	// +optional
	Progress *SyncProgress `json:"progress,omitempty"`

	// throttledUntil is when the service takes calls again, while it refuses them.
	// +optional
	ThrottledUntil metav1.Time `json:"throttledUntil,omitempty,omitzero"`

	// credentialExpires is when the client secret, certificate or token ends,
	// where that is known.
	// +optional
	CredentialExpires metav1.Time `json:"credentialExpires,omitempty,omitzero"`

	// devices counts the devices that the service manages, for an mdm target.
	// +optional
	Devices *DeviceCounts `json:"devices,omitempty"`

	// groups counts the groups made in the service.
	// +optional
	Groups *int32 `json:"groups,omitempty"`

	// federation tells how the domain's log-in is, for an entraID target.
	// +optional
	Federation *FederationStatus `json:"federation,omitempty"`

	// lastApproval is the value of the approve-deletions annotation that was last
	// carried out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	LastApproval string `json:"lastApproval,omitempty"`
}

// AccountCounts counts accounts.
type AccountCounts struct {
	// desired is how many members should have an account.
	// +optional
	Desired *int32 `json:"desired,omitempty"`

	// synced is how many are as declared.
	// +optional
	Synced *int32 `json:"synced,omitempty"`

	// failed is how many are not, and why is told by their Account.
	// +optional
	Failed *int32 `json:"failed,omitempty"`

	// held is how many the deletion guard holds.
	// +optional
	Held *int32 `json:"held,omitempty"`

	// unmanaged is how many accounts the service has that no member accounts for (D7).
	// +optional
	Unmanaged *int32 `json:"unmanaged,omitempty"`
}

// SyncProgress tells how much work waits.
type SyncProgress struct {
	// waiting is how many accounts have a change to be made.
	// +required
	Waiting *int32 `json:"waiting,omitempty"`

	// timeLeft is how long that takes by the budget.
	// +optional
	TimeLeft Duration `json:"timeLeft,omitempty"`
}

// DeviceCounts counts devices (O14).
type DeviceCounts struct {
	// managed is how many the service manages.
	// +required
	Managed *int32 `json:"managed,omitempty"`

	// compliant is how many of them meet the service's rules.
	// +optional
	Compliant *int32 `json:"compliant,omitempty"`
}

// FederationState is how far a domain is on the way.
// +kubebuilder:validation:Enum=Managed;Preparing;Federated;Blocked;Reverting
type FederationState string

// The states.
const (
	FederationManaged   FederationState = "Managed"
	FederationPreparing FederationState = "Preparing"
	FederationFederated FederationState = "Federated"
	FederationBlocked   FederationState = "Blocked"
	FederationReverting FederationState = "Reverting"
)

// FederationStatus tells how the log-in of a domain is.
type FederationStatus struct {
	// state is Managed (by Microsoft), Preparing (immutable IDs are being set),
	// Federated, Blocked (a step was refused; message says why), or Reverting.
	// +required
	State FederationState `json:"state,omitempty"`

	// message says what to do, or what to know.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`

	// risk says who cannot log in although the domain is Federated, or why nobody
	// could undo it, and what to do; absent where all is well. It is looked at with
	// each sync of all accounts.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Risk string `json:"risk,omitempty"`

	// id of the federation configuration there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ID string `json:"id,omitempty"`

	// issuer that Microsoft expects, or is about to be told.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Issuer string `json:"issuer,omitempty"`

	// certificates that Microsoft holds.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2
	Certificates []Certificate `json:"certificates,omitempty"`
}

// ProvisioningTarget is a service in which members have accounts.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pt,categories=tegata
// +kubebuilder:selectablefield:JSONPath=`.spec.tenantRef.name`
// +kubebuilder:printcolumn:name="Accounts",type=integer,JSONPath=`.status.accounts.desired`
// +kubebuilder:printcolumn:name="Synced",type=integer,JSONPath=`.status.accounts.synced`
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.accounts.failed`
// +kubebuilder:printcolumn:name="Last Sync",type=date,JSONPath=`.status.lastSync`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Waiting",type=integer,priority=1,JSONPath=`.status.progress.waiting`
// +kubebuilder:printcolumn:name="Time Left",type=string,priority=1,JSONPath=`.status.progress.timeLeft`
// +kubebuilder:printcolumn:name="Unmanaged",type=integer,priority=1,JSONPath=`.status.accounts.unmanaged`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type ProvisioningTarget struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the target.
	// +required
	Spec ProvisioningTargetSpec `json:"spec,omitempty,omitzero"`

	// status tells how the target is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Synced", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status ProvisioningTargetStatus `json:"status,omitempty,omitzero"`
}

// ProvisioningTargetList is a list of ProvisioningTargets.
// +kubebuilder:object:root=true
type ProvisioningTargetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ProvisioningTarget `json:"items"`
}
