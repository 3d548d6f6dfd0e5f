/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantReference names the Tenant that an object belongs to.
type TenantReference struct {
	// name of a Tenant in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// MemberReference names a Member.
type MemberReference struct {
	// name of a Member in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// GroupReference names a Group.
type GroupReference struct {
	// name of a Group in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// AppKind is the kind of an app.
// +kubebuilder:validation:Enum=SAMLApp;LinkApp
type AppKind string

// AppReference names an app.
type AppReference struct {
	// kind of the app: SAMLApp or LinkApp.
	// +required
	Kind AppKind `json:"kind,omitempty"`

	// name of the app in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// SecretReference names a Secret.
type SecretReference struct {
	// name of a Secret in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// SecretKeyReference names one key of a Secret.
type SecretKeyReference struct {
	// name of a Secret in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key within the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// ConfigMapKeyReference names one key of a ConfigMap.
type ConfigMapKeyReference struct {
	// name of a ConfigMap in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key within the ConfigMap's binaryData or data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// ImageSource says where a picture comes from.
type ImageSource struct {
	// configMapRef names a key with a PNG, JPEG or GIF of at most 1 MiB.
	// Make it with: kubectl create configmap NAME --from-file=icon.png
	// +required
	ConfigMapRef ConfigMapKeyReference `json:"configMapRef,omitempty,omitzero"`
}

// PermissionGrant gives an application permission.
type PermissionGrant struct {
	// appRef names the app.
	// +required
	AppRef AppReference `json:"appRef,omitempty,omitzero"`

	// permission is the name of one of the app's spec.permissions.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Permission string `json:"permission,omitempty"`
}

// Duration is a length of time in hours, minutes and seconds, for example 720h or 1h30m.
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=18
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$')",message="must be hours, minutes and seconds, for example 720h or 1h30m"
type Duration string

// CertificateUse says when a certificate's key signs.
// +kubebuilder:validation:Enum=Current;Next;Previous
type CertificateUse string

// The uses.
const (
	CertificateCurrent  CertificateUse = "Current"
	CertificateNext     CertificateUse = "Next"
	CertificatePrevious CertificateUse = "Previous"
)

// Certificate tells of an X.509 certificate.
type Certificate struct {
	// use is Current of the one whose key signs, Next of the one whose key will,
	// Previous of the one whose key did. All are in the metadata.
	// +required
	Use CertificateUse `json:"use,omitempty"`

	// fingerprint is the SHA-256 of the DER form, as AA:BB:….
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Fingerprint string `json:"fingerprint,omitempty"`

	// notAfter is when the certificate expires.
	// +required
	NotAfter metav1.Time `json:"notAfter,omitempty,omitzero"`

	// pem is the certificate to hand to a service provider's administrator.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	PEM string `json:"pem,omitempty"`
}
