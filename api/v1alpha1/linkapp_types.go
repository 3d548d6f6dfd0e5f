/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LinkAppSpec declares a link in the portal (O6.1).
// +kubebuilder:validation:XValidation:rule="self.tenantRef == oldSelf.tenantRef",message="tenantRef is immutable; an app cannot move to another tenant"
// +kubebuilder:validation:XValidation:rule="!has(self.defaultPermission) || (has(self.permissions) && self.permissions.exists(p, p.name == self.defaultPermission))",message="defaultPermission must be one of permissions"
// +kubebuilder:validation:XValidation:rule="!has(self.permissions) || self.permissions.exists(p, has(p.administrator) && p.administrator)",message="at least one of permissions must have administrator: true"
type LinkAppSpec struct {
	// tenantRef names the Tenant the app belongs to.
	// +required
	TenantRef TenantReference `json:"tenantRef,omitempty,omitzero"`

	// displayName is what members see in the portal.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	DisplayName string `json:"displayName,omitempty"`

	// url that the tile opens.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+([/?#][^\\\\s]*)?$')",message="must be an absolute http or https URL without user name"
	URL string `json:"url,omitempty"`

	// icon is shown in the portal. Absent: the first letter of displayName.
	// +optional
	Icon *ImageSource `json:"icon,omitempty"`

	// portal says how the app appears in the portal. Absent: shown.
	// +optional
	Portal *LinkAppPortal `json:"portal,omitempty"`

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

	// access limits who sees the app. Absent: every member of the tenant.
	// +optional
	Access *AppAccess `json:"access,omitempty"`
}

// LinkAppPortal says how a link appears in the portal.
type LinkAppPortal struct {
	// visible shows the app in the portal. Absent: true.
	// +optional
	Visible *bool `json:"visible,omitempty"`
}

// LinkAppStatus tells how the app is.
type LinkAppStatus struct {
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

	// publishedTo is where the app is live.
	// +optional
	PublishedTo *PublishedTo `json:"publishedTo,omitempty"`
}

// LinkApp is a link in the portal to something that has its own log-in, or none.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=lapp,categories=tegata
// +kubebuilder:printcolumn:name="Display Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type LinkApp struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the link.
	// +required
	Spec LinkAppSpec `json:"spec,omitempty,omitzero"`

	// status tells how the link is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Published", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status LinkAppStatus `json:"status,omitempty,omitzero"`
}

// LinkAppList is a list of LinkApps.
// +kubebuilder:object:root=true
type LinkAppList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []LinkApp `json:"items"`
}
