/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

// Condition types. Ready, Accepted, ResolvedRefs and Published or Synced are always
// present; Reconciling and Stalled only while True, and never both.
const (
	// ReadyCondition summarises: the object is live as declared.
	ReadyCondition = "Ready"
	// AcceptedCondition tells whether the spec is valid.
	AcceptedCondition = "Accepted"
	// ResolvedRefsCondition tells whether everything the spec names exists and may be used.
	ResolvedRefsCondition = "ResolvedRefs"
	// PublishedCondition tells whether the object is live in the IdP; for an
	// IdentityServer, whether the IdP runs as declared.
	PublishedCondition = "Published"
	// SyncedCondition tells, for a ProvisioningTarget, an Account or an Offboarding,
	// whether the service is as declared. It stands where others have Published.
	SyncedCondition = "Synced"
	// MetadataCurrentCondition tells, for a SAMLApp with metadata, whether the
	// service provider's document in use is current. It does not count for Ready.
	MetadataCurrentCondition = "MetadataCurrent"
	// ReconcilingCondition is True while the operator works or waits (kstatus).
	ReconcilingCondition = "Reconciling"
	// StalledCondition is True while only a person can help (kstatus).
	StalledCondition = "Stalled"
)

// Condition reasons.
const (
	// PendingReason: the operator has not looked at the object yet, or waits for what
	// passes by itself.
	PendingReason = "Pending"
	// AcceptedReason: the spec is valid.
	AcceptedReason = "Accepted"
	// ResolvedRefsReason: everything named exists.
	ResolvedRefsReason = "ResolvedRefs"
	// PublishedReason: the object is live in the IdP.
	PublishedReason = "Published"
	// CertificateExpiringReason: live, but the signing certificate ends soon and nothing will replace it.
	CertificateExpiringReason = "CertificateExpiring"
	// CertificateExpiredReason: live, but the signing certificate has ended.
	CertificateExpiredReason = "CertificateExpired"
	// RunningReason: the IdP server serves.
	RunningReason = "Running"
	// NotEvaluatedReason: an earlier step failed, so this one was not tried.
	NotEvaluatedReason = "NotEvaluated"
	// InvalidSpecReason: the spec says something that cannot be.
	InvalidSpecReason = "InvalidSpec"
	// ReferenceNotFoundReason: something the spec names does not exist.
	ReferenceNotFoundReason = "ReferenceNotFound"
	// InvalidReferenceReason: something the spec names exists but cannot be used.
	InvalidReferenceReason = "InvalidReference"
	// NotAdmittedReason: the IdentityServer does not admit this namespace.
	NotAdmittedReason = "NotAdmitted"
	// TenantNotReadyReason: the tenant is not live yet; nothing needs to be done here.
	TenantNotReadyReason = "TenantNotReady"
	// IdentityServerNotReadyReason: the IdP does not run yet; nothing needs to be done here.
	IdentityServerNotReadyReason = "IdentityServerNotReady"
	// FetchingReason: metadata is being fetched for the first time.
	FetchingReason = "Fetching"
	// FetchFailedReason: metadata could not be fetched, or what came cannot be used; retried.
	FetchFailedReason = "FetchFailed"
	// MetadataCurrentReason: the service provider's metadata in use is current.
	MetadataCurrentReason = "MetadataCurrent"
	// MetadataExpiredReason: the service provider's metadata in use is past its validUntil.
	MetadataExpiredReason = "MetadataExpired"
	// SyncedReason: the service is as declared.
	SyncedReason = "Synced"
	// SyncingReason: changes to the service are under way; nothing needs to be done here.
	SyncingReason = "Syncing"
	// SuspendedReason: the suspended annotation holds the work on a target.
	SuspendedReason = "Suspended"
	// AuthenticationFailedReason: the service refuses the operator's credentials; paused until they change.
	AuthenticationFailedReason = "AuthenticationFailed"
	// PermissionMissingReason: the service refuses what the operator's credentials may not do.
	PermissionMissingReason = "PermissionMissing"
	// CredentialExpiringReason: in order, but the credentials end soon.
	CredentialExpiringReason = "CredentialExpiring"
	// ThrottledReason: the service asks to wait; nothing needs to be done here.
	ThrottledReason = "Throttled"
	// AccountsFailedReason: some accounts are not as declared; theirs tell why.
	AccountsFailedReason = "AccountsFailed"
	// DeletionHeldReason: the deletion guard waits for approval.
	DeletionHeldReason = "DeletionHeld"
	// FederationBlockedReason: a domain is not federated, as that would cut people off; the message says what to do.
	FederationBlockedReason = "FederationBlocked"
	// FederationAtRiskReason: in a federated domain somebody cannot log in, or nobody could undo it; the message says what to do.
	FederationAtRiskReason = "FederationAtRisk"
	// UnmanagedReason: no member accounts for the account.
	UnmanagedReason = "Unmanaged"
	// ConflictReason: another object holds the mail, slug, entity ID, unique value, external URL or service.
	ConflictReason = "Conflict"
	// LicenseLimitReachedReason: the tenant has as many members as licences.
	LicenseLimitReachedReason = "LicenseLimitReached"
	// PlanReason: the tenant's plan does not include this.
	PlanReason = "NotInPlan"
	// RefusedReason: the IdP refused the object.
	RefusedReason = "Refused"
	// UnavailableReason: the IdP or the API server could not be reached; retried.
	UnavailableReason = "Unavailable"
	// RollingOutReason: pods are being started or replaced; nothing needs to be done here.
	RollingOutReason = "RollingOut"
	// StartFailedReason: the IdP server could not be started; retried.
	StartFailedReason = "StartFailed"
	// ProgressingWithRetryReason: a transient failure is retried with growing waits (kstatus).
	ProgressingWithRetryReason = "ProgressingWithRetry"
	// DeletionFailedReason: the object could not be taken out of the IdP yet; retried.
	DeletionFailedReason = "DeletionFailed"
)

// Event reasons beside the condition reasons.
const (
	// ReleasedReason: a deleted object was let go although the IdP could not be told.
	ReleasedReason = "Released"
	// CertificatesChangedReason: a service provider has other certificates than before.
	CertificatesChangedReason = "CertificatesChanged"
	// FederationChangedReason: Microsoft sends the users of a domain here to log in, or no longer.
	FederationChangedReason = "FederationChanged"
	// TemporaryPasswordIssuedReason: a Secret with a temporary password was written.
	TemporaryPasswordIssuedReason = "TemporaryPasswordIssued" // #nosec G101 -- an event's name
)

const (
	// Finalizer keeps an object until the IdP has let it go.
	Finalizer = "identity.tegata.dev/published"
	// ProvisionedFinalizer keeps an Account until its account in the service is as
	// it should be left.
	ProvisionedFinalizer = "identity.tegata.dev/provisioned"
	// CorrelationIDAnnotation is what an Account's account carries in the service
	// to be found again. The operator writes it.
	CorrelationIDAnnotation = "identity.tegata.dev/correlation-id"

	// ResetPasswordAnnotation asks, at each new value, for a new temporary
	// password or a new mailed link (O3.3, O3.5). Any text serves, for example
	// the time; status.password.lastReset echoes it once done.
	ResetPasswordAnnotation = "identity.tegata.dev/reset-password" // #nosec G101 -- an annotation's name

	// RotateSigningKeyAnnotation asks, at each new value, for a tenant's next
	// signing key: published now, and signing after the overlap. Any text serves;
	// status.signingKey.lastRotation echoes it once the next key is there.
	RotateSigningKeyAnnotation = "identity.tegata.dev/rotate-signing-key"
	// ReplaceSigningKeyAnnotation asks, at each new value, for another signing key
	// at once: the former ones leave the metadata the same moment, and service
	// providers must be told. status.signingKey.lastReplacement echoes it once done.
	ReplaceSigningKeyAnnotation = "identity.tegata.dev/replace-signing-key"

	// SuspendedAnnotation with value "true" stops all work on a ProvisioningTarget's
	// service until it is taken away.
	SuspendedAnnotation = "identity.tegata.dev/suspended"
	// AnotherServiceAnnotation with value "true" says that a ProvisioningTarget leads
	// to another service than an older one with the same URL: some services have one
	// for all customers, and tell them apart by their credentials.
	AnotherServiceAnnotation = "identity.tegata.dev/another-service"
	// SyncNowAnnotation asks, at each new value, for a sync of all accounts of a
	// ProvisioningTarget at once. Any text serves, for example the time.
	SyncNowAnnotation = "identity.tegata.dev/sync-now"
	// ApproveDeletionsAnnotation approves, at each new value, the deletions that the
	// guard holds at that moment: on a Tenant those of members, on a
	// ProvisioningTarget those of its accounts. Any text serves, for example the
	// name of who approves and the time.
	ApproveDeletionsAnnotation = "identity.tegata.dev/approve-deletions"

	// BackupLabel with value BackupRequired marks the Secrets that a backup
	// needs beside the database.
	BackupLabel = "identity.tegata.dev/backup"
	// BackupRequired is the value of BackupLabel.
	BackupRequired = "required"
)
