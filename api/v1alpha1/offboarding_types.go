/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OffboardingSpec says who left. The operator makes an Offboarding when a Member
// is deleted; it outlives the Member (X4).
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an Offboarding is a record and does not change"
type OffboardingSpec struct {
	// tenantRef names the Tenant that the person belonged to.
	// +required
	TenantRef TenantReference `json:"tenantRef,omitempty,omitzero"`

	// memberRef names the Member that was deleted.
	// +required
	MemberRef MemberReference `json:"memberRef,omitempty,omitzero"`

	// memberID is the public member ID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	MemberID string `json:"memberID,omitempty"`

	// mail of the person.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	Mail string `json:"mail,omitempty"`

	// displayName of the person.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	DisplayName string `json:"displayName,omitempty"`

	// requestedAt is when the deletion was asked for.
	// +required
	RequestedAt metav1.Time `json:"requestedAt,omitempty,omitzero"`
}

// OffboardingStatus is the receipt.
type OffboardingStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready (everything is done), Accepted, ResolvedRefs, Synced;
	// Reconciling and Stalled while they hold.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// signInBlockedAt is when sign-in was blocked and all sessions ended. Absent
	// where the whole tenant was taken offline before.
	// +optional
	SignInBlockedAt metav1.Time `json:"signInBlockedAt,omitempty,omitzero"`

	// targets tell what was done in each service.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Targets []OffboardingTarget `json:"targets,omitempty"`

	// completedAt is when everything was done.
	// +optional
	CompletedAt metav1.Time `json:"completedAt,omitempty,omitzero"`
}

// OffboardingTarget tells what was done in one service.
type OffboardingTarget struct {
	// name of the ProvisioningTarget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// outcome is Removed, Disabled, Retained, Pending, Held or Failed.
	// +required
	Outcome AccountState `json:"outcome,omitempty"`

	// externalID is the service's ID of the account.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ExternalID string `json:"externalID,omitempty"`

	// userName is what the service called the account.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	UserName string `json:"userName,omitempty"`

	// at is when it was done; absent while it is not.
	// +optional
	At metav1.Time `json:"at,omitempty,omitzero"`

	// message says why it is not done yet.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}

// Offboarding is the receipt of what was done when a member left.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=off,categories=tegata
// +kubebuilder:selectablefield:JSONPath=`.spec.tenantRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.memberRef.name`
// +kubebuilder:printcolumn:name="Member",type=string,JSONPath=`.spec.memberRef.name`
// +kubebuilder:printcolumn:name="Mail",type=string,JSONPath=`.spec.mail`
// +kubebuilder:printcolumn:name="Blocked",type=date,JSONPath=`.status.signInBlockedAt`
// +kubebuilder:printcolumn:name="Completed",type=date,JSONPath=`.status.completedAt`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Offboarding struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says who left.
	// +required
	Spec OffboardingSpec `json:"spec,omitempty,omitzero"`

	// status is the receipt.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Synced", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status OffboardingStatus `json:"status,omitempty,omitzero"`
}

// OffboardingList is a list of Offboardings.
// +kubebuilder:object:root=true
type OffboardingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Offboarding `json:"items"`
}
