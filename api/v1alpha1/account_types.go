/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AccountSpec says whose account it is, and where. The operator makes Accounts;
// nobody else needs to.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an Account is made by the operator and does not change"
type AccountSpec struct {
	// targetRef names the ProvisioningTarget whose service has the account.
	// +required
	TargetRef ProvisioningTargetReference `json:"targetRef,omitempty,omitzero"`

	// memberRef names the Member whose account it is. Absent: an account that the
	// service has and no member accounts for (D7).
	// +optional
	MemberRef *MemberReference `json:"memberRef,omitempty"`

	// externalID is the service's ID of an account that no member accounts for.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ExternalID string `json:"externalID,omitempty"`
}

// AccountState says in one word how an account is.
// +kubebuilder:validation:Enum=Pending;Active;Disabled;Removed;Retained;Held;Failed;Unmanaged
type AccountState string

// The account states.
const (
	// AccountPending: there is none yet.
	AccountPending AccountState = "Pending"
	// AccountActive: it is there and can be used.
	AccountActive AccountState = "Active"
	// AccountDisabled: it is there and cannot be used.
	AccountDisabled AccountState = "Disabled"
	// AccountRemoved: it was deleted.
	AccountRemoved AccountState = "Removed"
	// AccountRetained: it was left as it is.
	AccountRetained AccountState = "Retained"
	// AccountHeld: the deletion guard holds its removal.
	AccountHeld AccountState = "Held"
	// AccountFailed: it is not as declared; the conditions say why.
	AccountFailed AccountState = "Failed"
	// AccountUnmanaged: no member accounts for it.
	AccountUnmanaged AccountState = "Unmanaged"
)

// AccountStatus tells how the account is.
type AccountStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Accepted, ResolvedRefs, Synced; Reconciling and
	// Stalled while they hold.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// state says in one word how the account is.
	// +optional
	State AccountState `json:"state,omitempty"`

	// externalID is the service's ID of the account.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ExternalID string `json:"externalID,omitempty"`

	// userName is what the service calls the account.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	UserName string `json:"userName,omitempty"`

	// displayName of the account there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	DisplayName string `json:"displayName,omitempty"`

	// correlationID is what the account carries there to be found again: the
	// member's ID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	CorrelationID string `json:"correlationID,omitempty"`

	// adopted tells that the account was there before Tegata kept it.
	// +optional
	Adopted *bool `json:"adopted,omitempty"`

	// digest is of what the service last took, to tell without asking it that
	// nothing has changed here.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`

	// lastSync is when the account was last found or made to be as declared.
	// +optional
	LastSync metav1.Time `json:"lastSync,omitempty,omitzero"`

	// removedAt is when the account was deleted, disabled for good or let go.
	// +optional
	RemovedAt metav1.Time `json:"removedAt,omitempty,omitzero"`

	// error is the last failure, while it lasts.
	// +optional
	Error *AccountError `json:"error,omitempty"`

	// drift names the properties that were found changed there at the last sync,
	// and were put right.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	Drift []PropertyName `json:"drift,omitempty"`

	// devices of the person that the service manages, for an mdm target (O14).
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=100
	Devices []Device `json:"devices,omitempty"`
}

// PropertyName is a service's name of a property.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
type PropertyName string

// AccountError is a failure at a service.
type AccountError struct {
	// cause in one word: Unauthorized, Forbidden, Protected, Throttled, Conflict,
	// Invalid, NotFound, LicenseLimit, DeviceEnrolled, ManagedElsewhere or Unavailable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Cause string `json:"cause,omitempty"`

	// message says what to do.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`

	// requestID is the service's ID of the failed call, to ask its support with.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	RequestID string `json:"requestID,omitempty"`

	// since is when it first failed so.
	// +required
	Since metav1.Time `json:"since,omitempty,omitzero"`

	// nextTry is when it is tried again; absent where a person has to act first.
	// +optional
	NextTry metav1.Time `json:"nextTry,omitempty,omitzero"`
}

// Device is a device that an MDM manages.
type Device struct {
	// id of the device there.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ID string `json:"id,omitempty"`

	// name of the device.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// platform such as iOS, Android, Windows or macOS.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Platform string `json:"platform,omitempty"`

	// serialNumber of the device.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	SerialNumber string `json:"serialNumber,omitempty"`

	// compliant tells whether it meets the service's rules, where that is known.
	// +optional
	Compliant *bool `json:"compliant,omitempty"`
}

// Account is one member's account in one ProvisioningTarget's service.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=acc,categories=tegata
// +kubebuilder:selectablefield:JSONPath=`.spec.targetRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.memberRef.name`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Member",type=string,JSONPath=`.spec.memberRef.name`
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.targetRef.name`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Last Sync",type=date,JSONPath=`.status.lastSync`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="User Name",type=string,priority=1,JSONPath=`.status.userName`
// +kubebuilder:printcolumn:name="External ID",type=string,priority=1,JSONPath=`.status.externalID`
// +kubebuilder:printcolumn:name="Next Try",type=string,priority=1,JSONPath=`.status.error.nextTry`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Account struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says whose account it is, and where.
	// +required
	Spec AccountSpec `json:"spec,omitempty,omitzero"`

	// status tells how the account is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Synced", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status AccountStatus `json:"status,omitempty,omitzero"`
}

// AccountList is a list of Accounts.
// +kubebuilder:object:root=true
type AccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Account `json:"items"`
}
