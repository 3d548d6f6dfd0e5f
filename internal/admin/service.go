/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"context"
	"time"

	"tegata.dev/tegata/internal/directory"
)

// Service is what the IdP does for the operator. Implementations are the IdP
// itself (in process) and Client (HTTP); both pass the same conformance suite
// (package admintest). Every error is transient or a programming fault: what a
// person must mend is a Problem in a Result.
type Service interface {
	// Apply upserts or deletes whole objects. It is idempotent: an object whose
	// digest is unchanged is not written. Results are in the order of changes;
	// a bad item fails alone. An error means that nothing is known of any item.
	Apply(ctx context.Context, changes []Change) ([]Result, error)
	// Digests lists what is published, ordered by key, after the given key
	// (the zero Key for the start), at most limit entries (at most MaxPage).
	Digests(ctx context.Context, after Key, limit int) ([]KeyDigest, error)
	// Notices returns the objects that changed at the IdP and have not been
	// acknowledged, at most limit. It waits up to wait for the first one and
	// answers an empty list after that. Delivery is at least once.
	Notices(ctx context.Context, limit int, wait time.Duration) ([]Notice, error)
	// Acknowledge drops notices; one that was renewed since it was read stays.
	Acknowledge(ctx context.Context, notices []Notice) error
	// SetTemporaryPassword gives a member a password to be changed at the first
	// log-in (O3.3b), ends the member's sessions, and is idempotent by Reset.
	SetTemporaryPassword(ctx context.Context, password TemporaryPassword) (*MemberState, error)
	// UnlinkAuthenticator will come with second factors; EndSessions signs a
	// member out everywhere at once.
	EndSessions(ctx context.Context, member Key) error
	// Record writes audit entries of what the operator did, at most MaxBatch: those
	// of RecordedActions (O12.1). An entry whose ID is there already is not written
	// again; one without gets one, and so does one whose UUIDv7 is of a clock far
	// ahead. A Time of zero, or in the future, is now.
	Record(ctx context.Context, entries []AuditEntry) error
	// SearchAudit lists audit entries, newest first (O12.2).
	SearchAudit(ctx context.Context, query AuditQuery) ([]AuditEntry, error)
	// About says what the IdP is, where it can serve: where its database answers.
	About(ctx context.Context) (About, error)
}

// About is what an IdP says of itself.
type About struct {
	// Version is that of its program; may be empty.
	Version string `json:"version,omitempty"`
}

// MaxPage is the most entries a Digests, Notices or SearchAudit call returns.
const MaxPage = 1000

// MaxBatch is the most changes one Apply call takes, and entries one Record call.
const MaxBatch = 500

// Kind is the kind of a published object.
type Kind string

// The kinds, named as the resources are.
const (
	KindTenant  Kind = "Tenant"
	KindMember  Kind = "Member"
	KindGroup   Kind = "Group"
	KindSAMLApp Kind = Kind(directory.KindSAMLApp)
	KindLinkApp Kind = Kind(directory.KindLinkApp)
)

// Key names a published object: names, not Kubernetes UIDs, so that the same
// Git on a new cluster gives everyone back (design section 4).
type Key struct {
	Kind Kind `json:"kind"`
	// Tenant is the tenant's slug.
	Tenant string `json:"tenant"`
	// Name is the object name; empty for the tenant itself.
	Name string `json:"name,omitempty"`
}

// String is "Kind tenant/name".
func (k Key) String() string {
	if k.Name == "" {
		return string(k.Kind) + " " + k.Tenant
	}
	return string(k.Kind) + " " + k.Tenant + "/" + k.Name
}

// Compare orders keys by kind, tenant, name.
func (k Key) Compare(other Key) int {
	for _, pair := range [][2]string{{string(k.Kind), string(other.Kind)}, {k.Tenant, other.Tenant}, {k.Name, other.Name}} {
		switch {
		case pair[0] < pair[1]:
			return -1
		case pair[0] > pair[1]:
			return 1
		}
	}
	return 0
}

// Change is one object to publish, or to delete where every payload is nil.
type Change struct {
	Key Key `json:"key"`
	// Owner is "namespace/name" of the declaring resource. A tenant slug that
	// another owner holds is refused with ProblemConflict. What another owner
	// published is not deleted.
	Owner string `json:"owner"`
	// TenantOwner is "namespace/name" of the Tenant that the object belongs to;
	// empty for a tenant itself. Where another Tenant holds the slug, the object's
	// own one is not published (ProblemNotFound).
	TenantOwner string `json:"tenantOwner,omitempty"`
	// DeletionApproval is, for a tenant, an opaque token: each new value approves
	// the deletions in it that are held at that moment (X3).
	DeletionApproval string `json:"deletionApproval,omitempty"`
	// Unguarded deletes a tenant although the deletion guard would hold that: it is
	// taken offline as it is, to be restored when its server takes it again.
	Unguarded bool `json:"unguarded,omitempty"`

	Tenant *Tenant          `json:"tenant,omitempty"`
	Member *Member          `json:"member,omitempty"`
	Group  *directory.Group `json:"group,omitempty"`
	App    *directory.App   `json:"app,omitempty"`
}

// IsDelete reports whether the change deletes its object.
func (c Change) IsDelete() bool {
	return c.Tenant == nil && c.Member == nil && c.Group == nil && c.App == nil
}

// Tenant is a tenant with what it signs with.
type Tenant struct {
	directory.Tenant
	SigningKey KeyPair `json:"signingKey"`
	// Certificates, each PEM, are published beside SigningKey's: those of the keys
	// that will sign next and signed before.
	Certificates [][]byte `json:"certificates,omitempty"`
	// CertificateEnds is when SigningKey's certificate ends, where nothing will
	// replace it before; the tenant's SuperAdmins get a mail ahead of it. Zero
	// where there is nothing to tell.
	CertificateEnds time.Time `json:"certificateEnds,omitzero"`
}

// KeyPair is a certificate with its private key, both PEM. It never prints.
type KeyPair struct {
	Certificate []byte `json:"certificate"`
	PrivateKey  []byte `json:"privateKey"`
}

// String hides the key from logs and error texts.
func (KeyPair) String() string { return "[key pair]" }

// GoString hides the key from %#v.
func (KeyPair) GoString() string { return "[key pair]" }

// Member is a member with the last password reset asked for.
type Member struct {
	directory.Member
	// PasswordReset is an opaque token; each new value asks once for a new
	// temporary password or a new mailed link (O3.3, O3.5).
	PasswordReset string `json:"passwordReset,omitempty"`
}

// Result is the outcome of one change.
type Result struct {
	// Problem is set where the change was refused; a person must mend it.
	Problem *Problem `json:"problem,omitempty"`
	// Changed tells that the change was written, false that it stood so already.
	Changed bool `json:"changed,omitempty"`
	// DeletedAt is set for a member whose deletion the guard let pass: when all
	// its sessions ended. One that went offline with its tenant has none.
	DeletedAt time.Time `json:"deletedAt,omitzero"`
	// Member is set for a member that was accepted.
	Member *MemberState `json:"member,omitempty"`
	// Tenant is set for a tenant that was accepted, or whose deletion is held.
	Tenant *TenantState `json:"tenant,omitempty"`
}

// ProblemCode says which kind of refusal it is.
type ProblemCode string

// The codes. After ProblemConflict, ProblemLimit, ProblemNotFound and ProblemHeld
// the IdP sends a Notice for the refused key as soon as the cause goes.
const (
	// ProblemConflict: another object holds the mail, slug or unique attribute value.
	ProblemConflict ProblemCode = "Conflict"
	// ProblemLimit: the tenant has as many members as it has licences (O1.6).
	ProblemLimit ProblemCode = "Limit"
	// ProblemNotFound: the object's tenant is not published.
	ProblemNotFound ProblemCode = "NotFound"
	// ProblemHeld: the deletion guard holds the deletion until it is approved (X3).
	ProblemHeld ProblemCode = "Held"
	// ProblemInvalid: the object itself is unusable.
	ProblemInvalid ProblemCode = "Invalid"
)

// Problem is a typed refusal.
type Problem struct {
	Code ProblemCode `json:"code"`
	// Field is the path below spec, where there is one.
	Field string `json:"field,omitempty"`
	// Message is one stable sentence that says what to do.
	Message string `json:"message"`
}

// PasswordState is what a member can log in with.
type PasswordState string

// The password states.
const (
	// PasswordNone: nothing was ever set or sent.
	PasswordNone PasswordState = "None"
	// PasswordLinkSent: a mailed link waits to be used.
	PasswordLinkSent PasswordState = "LinkSent"
	// PasswordTemporary: a temporary password waits to be changed.
	PasswordTemporary PasswordState = "Temporary"
	// PasswordExpired: the link or the temporary password ran out unused.
	PasswordExpired PasswordState = "Expired"
	// PasswordSet: the member has chosen a password.
	PasswordSet PasswordState = "Set"
)

// MemberState is what only the IdP knows of a member.
type MemberState struct {
	// ID is the public member ID, a random UUID made once.
	ID       string        `json:"id"`
	Password PasswordState `json:"password"`
	// PasswordExpiresAt is the end of a link or temporary password not yet used.
	PasswordExpiresAt *time.Time `json:"passwordExpiresAt,omitempty"`
	// NeedsTemporaryPassword asks the operator to make one and to call SetTemporaryPassword.
	NeedsTemporaryPassword bool `json:"needsTemporaryPassword,omitempty"`
	// PasswordReset is the reset token that was last carried out.
	PasswordReset string     `json:"passwordReset,omitempty"`
	LastLogin     *time.Time `json:"lastLogin,omitempty"`
	// LockedUntil is in the future while too many wrong passwords block the account.
	LockedUntil *time.Time `json:"lockedUntil,omitempty"`
	// MailError is the last failure to send this member's password mail; empty once sent.
	MailError string `json:"mailError,omitempty"`
}

// TenantState is what the IdP tells of a tenant.
type TenantState struct {
	// Members counts the members that are not deleted.
	Members int `json:"members"`
	// PendingMembers counts those who have not set a password yet.
	PendingMembers int `json:"pendingMembers"`
	// HeldDeletions counts the deletions that wait for approval: of members, and of
	// the tenant itself.
	HeldDeletions int `json:"heldDeletions,omitempty"`
	// DeletionApproval is the token that was last carried out.
	DeletionApproval string `json:"deletionApproval,omitempty"`
}

// KeyDigest is a published object's digest.
type KeyDigest struct {
	Key    Key    `json:"key"`
	Digest string `json:"digest"`
	// Owner is "namespace/name" of the resource that declared it.
	Owner string `json:"owner"`
	// TenantOwner is "namespace/name" of the Tenant in which it is; empty for a tenant itself.
	TenantOwner string `json:"tenantOwner,omitempty"`
}

// Notice says that an object changed at the IdP.
type Notice struct {
	Key Key `json:"key"`
	// Version changes each time the notice is renewed.
	Version string `json:"version"`
}

// TemporaryPassword is what SetTemporaryPassword sets. It never prints.
type TemporaryPassword struct {
	Member Key `json:"member"`
	// Password must be random with at least 80 bits: it is kept as a fast salted
	// hash, which only such a password may be.
	Password string `json:"password"`
	// Reset is the token that asked for it; empty for the first one.
	Reset     string    `json:"reset,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// String hides the password.
func (p TemporaryPassword) String() string {
	return "[temporary password of " + p.Member.String() + "]"
}

// GoString hides the password from %#v.
func (p TemporaryPassword) GoString() string { return p.String() }

// AuditQuery selects audit entries (O12.2); zero fields select everything.
type AuditQuery struct {
	Tenant string    `json:"tenant,omitempty"`
	Action string    `json:"action,omitempty"`
	Mail   string    `json:"mail,omitempty"`
	App    string    `json:"app,omitempty"`
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	// Before is the ID of the last entry of the page before; empty for the newest.
	Before string `json:"before,omitempty"`
	// Limit is at most MaxPage; 0 means 100.
	Limit int `json:"limit,omitempty"`
}

// AuditEntry is one line of the audit log (O12.1).
type AuditEntry struct {
	// ID is a UUIDv7: entries are listed by it.
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	Tenant     string    `json:"tenant"`
	Member     string    `json:"member,omitempty"`
	MemberName string    `json:"memberName,omitempty"`
	Mail       string    `json:"mail,omitempty"`
	App        string    `json:"app,omitempty"`
	Action     string    `json:"action"`
	Address    string    `json:"address,omitempty"`
	UserAgent  string    `json:"userAgent,omitempty"`
	RequestID  string    `json:"requestID,omitempty"`
	// Detail says more, in one sentence without secrets.
	Detail string `json:"detail,omitempty"`
}
