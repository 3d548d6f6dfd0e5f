/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The methods below let one piece of code write the status of every kind.

// GetConditions returns the conditions.
func (o *IdentityServer) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *IdentityServer) SetConditions(conditions []metav1.Condition) {
	o.Status.Conditions = conditions
}

// GetStatus returns a pointer to the status.
func (o *IdentityServer) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *IdentityServer) SetObservedGeneration(generation int64) {
	o.Status.ObservedGeneration = generation
}

// GetConditions returns the conditions.
func (o *Tenant) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *Tenant) SetConditions(conditions []metav1.Condition) { o.Status.Conditions = conditions }

// GetStatus returns a pointer to the status.
func (o *Tenant) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *Tenant) SetObservedGeneration(generation int64) { o.Status.ObservedGeneration = generation }

// GetConditions returns the conditions.
func (o *Member) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *Member) SetConditions(conditions []metav1.Condition) { o.Status.Conditions = conditions }

// GetStatus returns a pointer to the status.
func (o *Member) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *Member) SetObservedGeneration(generation int64) { o.Status.ObservedGeneration = generation }

// GetConditions returns the conditions.
func (o *Group) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *Group) SetConditions(conditions []metav1.Condition) { o.Status.Conditions = conditions }

// GetStatus returns a pointer to the status.
func (o *Group) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *Group) SetObservedGeneration(generation int64) { o.Status.ObservedGeneration = generation }

// GetConditions returns the conditions.
func (o *SAMLApp) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *SAMLApp) SetConditions(conditions []metav1.Condition) { o.Status.Conditions = conditions }

// GetStatus returns a pointer to the status.
func (o *SAMLApp) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *SAMLApp) SetObservedGeneration(generation int64) { o.Status.ObservedGeneration = generation }

// GetConditions returns the conditions.
func (o *LinkApp) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *LinkApp) SetConditions(conditions []metav1.Condition) { o.Status.Conditions = conditions }

// GetStatus returns a pointer to the status.
func (o *LinkApp) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *LinkApp) SetObservedGeneration(generation int64) { o.Status.ObservedGeneration = generation }

// GetConditions returns the conditions.
func (o *ProvisioningTarget) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *ProvisioningTarget) SetConditions(conditions []metav1.Condition) {
	o.Status.Conditions = conditions
}

// GetStatus returns a pointer to the status.
func (o *ProvisioningTarget) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *ProvisioningTarget) SetObservedGeneration(generation int64) {
	o.Status.ObservedGeneration = generation
}

// GetConditions returns the conditions.
func (o *Account) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *Account) SetConditions(conditions []metav1.Condition) { o.Status.Conditions = conditions }

// GetStatus returns a pointer to the status.
func (o *Account) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *Account) SetObservedGeneration(generation int64) { o.Status.ObservedGeneration = generation }

// GetConditions returns the conditions.
func (o *Offboarding) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions.
func (o *Offboarding) SetConditions(conditions []metav1.Condition) { o.Status.Conditions = conditions }

// GetStatus returns a pointer to the status.
func (o *Offboarding) GetStatus() any { return &o.Status }

// SetObservedGeneration sets the generation that the conditions speak of.
func (o *Offboarding) SetObservedGeneration(generation int64) {
	o.Status.ObservedGeneration = generation
}

// The methods below let one piece of code publish and retract every kind that
// belongs to a tenant.

// GetTenantRef names the tenant that the object belongs to.
func (o *Member) GetTenantRef() TenantReference { return o.Spec.TenantRef }

// GetPublishedTo is where the object is live, nil where it is not.
func (o *Member) GetPublishedTo() *PublishedTo { return o.Status.PublishedTo }

// SetPublishedTo records where the object is live.
func (o *Member) SetPublishedTo(to *PublishedTo) { o.Status.PublishedTo = to }

// GetTenantRef names the tenant that the object belongs to.
func (o *Group) GetTenantRef() TenantReference { return o.Spec.TenantRef }

// GetPublishedTo is where the object is live, nil where it is not.
func (o *Group) GetPublishedTo() *PublishedTo { return o.Status.PublishedTo }

// SetPublishedTo records where the object is live.
func (o *Group) SetPublishedTo(to *PublishedTo) { o.Status.PublishedTo = to }

// GetTenantRef names the tenant that the object belongs to.
func (o *SAMLApp) GetTenantRef() TenantReference { return o.Spec.TenantRef }

// GetPublishedTo is where the object is live, nil where it is not.
func (o *SAMLApp) GetPublishedTo() *PublishedTo { return o.Status.PublishedTo }

// SetPublishedTo records where the object is live.
func (o *SAMLApp) SetPublishedTo(to *PublishedTo) { o.Status.PublishedTo = to }

// GetTenantRef names the tenant that the object belongs to.
func (o *LinkApp) GetTenantRef() TenantReference { return o.Spec.TenantRef }

// GetPublishedTo is where the object is live, nil where it is not.
func (o *LinkApp) GetPublishedTo() *PublishedTo { return o.Status.PublishedTo }

// SetPublishedTo records where the object is live.
func (o *LinkApp) SetPublishedTo(to *PublishedTo) { o.Status.PublishedTo = to }
