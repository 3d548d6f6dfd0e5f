/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

// The actions of the audit log (O12.1); AuditEntry.Action is one of them.
const (
	// LoginSucceeded is a log-in that made a session (ログイン成功).
	LoginSucceeded = "LoginSucceeded"
	// LoginFailed is a wrong mail or password (ログイン失敗).
	LoginFailed = "LoginFailed"
	// LoginRefused is a log-in stopped before or in spite of its password: locked out or suspended.
	LoginRefused = "LoginRefused"
	LoggedOut    = "LoggedOut"

	PasswordChanged = "PasswordChanged" // #nosec G101 -- an action's name
	// PasswordLinkMailed is a link put into the outbox; the password state has taken the plain name.
	PasswordLinkMailed      = "PasswordLinkSent"        // #nosec G101 -- an action's name
	PasswordLinkUsed        = "PasswordLinkUsed"        // #nosec G101 -- an action's name
	TemporaryPasswordIssued = "TemporaryPasswordIssued" // #nosec G101 -- an action's name

	// SSOSucceeded and SSOFailed are answers to an app.
	SSOSucceeded = "SSOSucceeded"
	SSOFailed    = "SSOFailed"
	// SingleLogoutSucceeded is an app's word that it has ended its session too;
	// SingleLogoutFailed that it did not, could not be told, or that its own
	// request to log out was refused.
	SingleLogoutSucceeded = "SingleLogoutSucceeded"
	SingleLogoutFailed    = "SingleLogoutFailed"
	// SessionsEnded is an administrator's signing a member out everywhere.
	SessionsEnded = "SessionsEnded"

	MemberCreated   = "MemberCreated"
	MemberUpdated   = "MemberUpdated"
	MemberDeleted   = "MemberDeleted"
	MemberRestored  = "MemberRestored"
	MemberSuspended = "MemberSuspended"
	MemberResumed   = "MemberResumed"

	TenantCreated = "TenantCreated"
	TenantUpdated = "TenantUpdated"
	TenantDeleted = "TenantDeleted"

	// GroupUpdated and AppUpdated stand for creation too; the detail tells which.
	GroupUpdated = "GroupUpdated"
	GroupDeleted = "GroupDeleted"
	AppUpdated   = "AppUpdated"
	AppDeleted   = "AppDeleted"

	// DeletionHeld is a deletion that the guard holds (X3); DeletionsApproved is
	// somebody's approval of those held at that moment.
	DeletionHeld      = "DeletionHeld"
	DeletionsApproved = "DeletionsApproved"

	// What was done to a member's account at an external service (O7); App is the
	// ProvisioningTarget. AccountFailed is the beginning of a failure.
	AccountCreated  = "AccountCreated"
	AccountUpdated  = "AccountUpdated"
	AccountAdopted  = "AccountAdopted"
	AccountDisabled = "AccountDisabled"
	AccountDeleted  = "AccountDeleted"
	AccountRestored = "AccountRestored"
	AccountFailed   = "AccountFailed"
)

// RecordedActions are those of entries that the operator may Record; it does
// not write of itself what only the IdP can know.
var RecordedActions = []string{
	DeletionHeld, DeletionsApproved,
	AccountCreated, AccountUpdated, AccountAdopted, AccountDisabled, AccountDeleted, AccountRestored, AccountFailed,
}
