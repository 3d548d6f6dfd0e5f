/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package v1alpha1 is the identity.tegata.dev API: everything an identity
// provider is configured with, as Kubernetes custom resources.
//
// +kubebuilder:object:generate=true
// +groupName=identity.tegata.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of every type in this package.
	GroupVersion = schema.GroupVersion{Group: "identity.tegata.dev", Version: "v1alpha1"}

	// SchemeBuilder collects the types.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the types to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&IdentityServer{}, &IdentityServerList{},
		&Tenant{}, &TenantList{},
		&Member{}, &MemberList{},
		&Group{}, &GroupList{},
		&SAMLApp{}, &SAMLAppList{},
		&LinkApp{}, &LinkAppList{},
		&ProvisioningTarget{}, &ProvisioningTargetList{},
		&Account{}, &AccountList{},
		&Offboarding{}, &OffboardingList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
