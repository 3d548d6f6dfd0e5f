/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GroupSpec declares a group of members (O13).
// +kubebuilder:validation:XValidation:rule="self.tenantRef == oldSelf.tenantRef",message="tenantRef is immutable; a group cannot move to another tenant"
type GroupSpec struct {
	// tenantRef names the Tenant the group belongs to.
	// +required
	TenantRef TenantReference `json:"tenantRef,omitempty,omitzero"`

	// displayName is what people and apps see.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	DisplayName string `json:"displayName,omitempty"`

	// description says what the group is for.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Description string `json:"description,omitempty"`

	// members take part by name. At least one is an Administrator (O13.2).
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10000
	// +kubebuilder:validation:XValidation:rule="self.exists(m, has(m.role) && m.role == 'Administrator')",message="a group needs an administrator: give role Administrator to at least one member"
	Members []GroupMember `json:"members,omitempty"`

	// selector adds every member of the tenant whose labels match, as User. An
	// empty selector matches everybody.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// permissions are application permissions given to every participant (O11).
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	Permissions []PermissionGrant `json:"permissions,omitempty"`
}

// GroupMember is a member named in a group.
type GroupMember struct {
	// memberRef names the Member.
	// +required
	MemberRef MemberReference `json:"memberRef,omitempty,omitzero"`

	// role in the group: Administrator 管理ユーザー or User 一般ユーザー. Absent: User.
	// +optional
	Role GroupRole `json:"role,omitempty"`
}

// GroupRole is a participant's role in a group.
// +kubebuilder:validation:Enum=Administrator;User
type GroupRole string

// GroupStatus tells how the group is.
type GroupStatus struct {
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

	// members counts everybody in the group, named or selected.
	// +optional
	Members *int32 `json:"members,omitempty"`

	// administrators counts its administrators.
	// +optional
	Administrators *int32 `json:"administrators,omitempty"`

	// publishedTo is where the group is live.
	// +optional
	PublishedTo *PublishedTo `json:"publishedTo,omitempty"`
}

// Group gathers members, by name or by label, and gives them application permissions.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=grp,categories=tegata
// +kubebuilder:printcolumn:name="Display Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.members`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Administrators",type=integer,priority=1,JSONPath=`.status.administrators`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Group struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the group.
	// +required
	Spec GroupSpec `json:"spec,omitempty,omitzero"`

	// status tells how the group is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Published", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status GroupStatus `json:"status,omitempty,omitzero"`
}

// GroupList is a list of Groups.
// +kubebuilder:object:root=true
type GroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Group `json:"items"`
}
