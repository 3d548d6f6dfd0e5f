/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// accountAttempt is one attempt to make an account what it should be.
//
// A crash at any point loses nothing and makes nothing twice: what the account
// carries there is in status before it is made, and before anything is made it is
// looked for.
type accountAttempt struct {
	*accounts
	account *v1alpha1.Account
	name    types.NamespacedName
	// target is nil where it is gone.
	target *v1alpha1.ProvisioningTarget
	live   liveTarget
	owner  owner
	// pending: the member is not live in the IdP yet.
	pending bool
	// lag is how long the service may not find what it has just made.
	lag time.Duration
	// mark is not 0 where the account has to be compared though nothing changed here.
	mark uint64
	// unseen: something that cannot be found stands in the way.
	unseen bool
}

// correlationID is what the account carries there, as far as it is known.
func (a *accountAttempt) correlationID() string {
	return cmp.Or(a.account.Status.CorrelationID, a.account.Annotations[v1alpha1.CorrelationIDAnnotation])
}

// digest is of what a service took: of the member as far as services are told of
// it, and of the account and the target's generation. The halves serve alone.
func (a *accountAttempt) digest(desired provision.Desired) string {
	return a.memberDigest() + "-" + shortDigest(struct {
		Desired    provision.Desired
		UID        types.UID
		Generation int64
	}{desired, a.target.UID, a.target.Generation})
}

func (a *accountAttempt) memberDigest() string {
	told := *a.owner.subject
	told.Groups, told.Member.Labels, told.Member.Permissions, told.Member.Image = nil, nil, nil, nil
	return shortDigest(told)
}

// shortDigest is 31 hexadecimal digits: two of them and a dash fit into status.
func shortDigest(of any) string {
	body, err := json.Marshal(of)
	if err != nil {
		return "" // plain data always marshals; as a digest this never equals one
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])[:31]
}

// provide makes the account that somebody should have.
func (a *accountAttempt) provide(ctx context.Context, desired provision.Desired, report *status.Report) status.Outcome {
	digest := a.digest(desired)
	fields := &a.account.Status
	if a.mark == 0 && fields.RemovedAt.IsZero() {
		if a.asDeclared(digest) {
			return synced(*fields)
		}
		if fields.Error != nil && a.settled.get(a.name) == digest {
			return failedOutcome(*fields.Error)
		}
	}
	if a.correlationID() != desired.CorrelationID {
		if outcome := a.remember(ctx, desired.CorrelationID); outcome.Verdict != status.Done {
			return outcome
		}
	}
	fields = &a.account.Status
	drifted := a.mark != 0 && fields.Digest == digest && fields.RemovedAt.IsZero()
	done, err := a.act(ctx, desired)
	if err != nil {
		return a.failed(err, digest, report)
	}
	a.observe(done, desired, digest, drifted)
	a.record(done)
	if err := a.disapprove(ctx); err != nil {
		return unavailable(v1alpha1.UnavailableReason, "The approval of a former removal could not be taken away; it is tried again.", err)
	}
	return synced(a.account.Status)
}

// asDeclared tells that nothing is to be done: the service took just this, and no
// approval of a former removal is left that would count for a later one.
func (a *accountAttempt) asDeclared(digest string) bool {
	fields := a.account.Status
	return fields.Error == nil && fields.Digest == digest && fields.State != v1alpha1.AccountHeld &&
		a.account.Annotations[v1alpha1.ApproveDeletionsAnnotation] == ""
}

// remember writes to status what the account will carry, before it does.
func (a *accountAttempt) remember(ctx context.Context, correlationID string) status.Outcome {
	before, err := status.SnapshotOf(a.account)
	if err == nil {
		a.account.Status.CorrelationID = correlationID
		_, err = before.Patch(ctx, a.Client, a.account)
	}
	if err != nil {
		return unavailable(v1alpha1.UnavailableReason, "Status could not be written; it is tried again.", err)
	}
	return status.Outcome{}
}

// done is what was done to an account.
type done struct {
	action  provision.Action
	account provision.Account
	changes []provision.Change
}

// act looks the account up and does what Decide says.
func (a *accountAttempt) act(ctx context.Context, desired provision.Desired) (done, error) {
	found, linked, err := a.find(ctx, desired.CorrelationID, desired.UserName)
	if err != nil {
		return done{}, err
	}
	result, err := a.carryOut(ctx, found, linked, desired)
	if found != nil || provision.CauseOf(err) != provision.Conflict || err == nil {
		return result, err
	}
	// What stands in the way may be what an attempt made that nobody saw end, or
	// somebody else's.
	found, lookErr := a.lookUp(ctx, provision.Reference{CorrelationID: desired.CorrelationID}, provision.Reference{UserName: desired.UserName})
	if lookErr != nil {
		return done{}, lookErr
	}
	if found == nil {
		a.unseen = true
		return done{}, err
	}
	return a.carryOut(ctx, found, false, desired)
}

// find looks an account up by what is known of it; nil where there is none. What
// has its external ID must be the same account still: names are those that it
// may have besides the known one.
func (a *accountAttempt) find(ctx context.Context, correlationID string, names ...string) (found *provision.Account, linked bool, err error) {
	fields := a.account.Status
	if fields.ExternalID != "" {
		found, err = a.lookUp(ctx, provision.Reference{ExternalID: fields.ExternalID})
		switch {
		case err != nil:
			return nil, true, err
		case found != nil && !found.Is(correlationID, append(names, fields.UserName)...):
			return nil, true, somebodyElses(fields)
		case found != nil:
			return found, true, nil
		}
		if a.made.unseen(a.name, a.clock(), a.lag) > 0 {
			return nil, true, &provision.Error{Cause: provision.NotFound,
				Message: "The service does not find the account, which it had a short while ago; it is looked for again."}
		}
	}
	if correlationID == "" {
		return nil, false, nil
	}
	found, err = a.lookUp(ctx, provision.Reference{CorrelationID: correlationID})
	return found, false, err
}

// somebodyElses is the error of an external ID that leads to another account.
func somebodyElses(fields v1alpha1.AccountStatus) error {
	return &provision.Error{Cause: provision.Conflict, Message: fmt.Sprintf(
		"The account with the ID %s there has neither the member's mark nor the user name %s: it may be somebody else's, so nothing is done to it. "+
			"Where the target leads to another directory now, lead it back, and make a new ProvisioningTarget for that one; else give the account its user name back there.",
		fields.ExternalID, fields.UserName)}
}

// lookUp finds the first that there is; nil where there is none.
func (a *accountAttempt) lookUp(ctx context.Context, references ...provision.Reference) (*provision.Account, error) {
	for _, reference := range references {
		found, err := a.live.service.Find(ctx, reference)
		if err == nil || !provision.IsNotFound(err) {
			return found, err
		}
	}
	return nil, nil
}

func (a *accountAttempt) carryOut(ctx context.Context, found *provision.Account, linked bool, desired provision.Desired) (done, error) {
	decision := provision.Decide(provision.Situation{
		Desired: &desired, Found: found, Linked: linked, AdoptByUserName: a.live.adoptByUserName, Removal: a.live.removal,
	})
	now, err := found, error(nil)
	switch service := a.live.service; decision.Action {
	case provision.Create:
		a.made.note(a.name, a.clock(), a.lag)
		now, err = service.Create(ctx, desired)
	case provision.Update, provision.Adopt:
		now, err = service.Update(ctx, *found, desired)
	case provision.Restore:
		a.made.note(a.name, a.clock(), a.lag)
		if now, err = service.Restore(ctx, *found); err == nil && len(provision.Differences(*now, desired)) > 0 {
			now, err = service.Update(ctx, *now, desired)
		}
	case provision.Refuse:
		err = &provision.Error{Cause: decision.Cause, Message: decision.Message}
	}
	if err != nil {
		return done{}, err
	}
	return done{action: decision.Action, account: *now, changes: decision.Changes}, nil
}

// observe writes how the account is now.
func (a *accountAttempt) observe(d done, desired provision.Desired, digest string, drifted bool) {
	fields := &a.account.Status
	fields.ExternalID, fields.CorrelationID = d.account.ExternalID, desired.CorrelationID
	fields.UserName, fields.DisplayName = shortened(d.account.UserName), shortened(d.account.DisplayName)
	fields.State = v1alpha1.AccountActive
	if !desired.Active {
		fields.State = v1alpha1.AccountDisabled
	}
	if d.action == provision.Adopt {
		fields.Adopted = ptr.To(true)
	}
	fields.Digest, fields.Error, fields.RemovedAt = digest, nil, metav1.Time{}
	fields.LastSync = metav1.NewTime(a.clock().Truncate(time.Second))
	fields.Drift = nil
	if drifted && d.action != provision.Nothing {
		fields.Drift = propertyNames(d.changes)
	}
	a.settled.set(a.name, "")
	a.ledger.returned(a.live.name, a.name)
}

// propertyNames are those of changes, as many as the API takes.
func propertyNames(changes []provision.Change) []v1alpha1.PropertyName {
	var names []v1alpha1.PropertyName
	for _, change := range changes[:min(len(changes), 100)] {
		names = append(names, v1alpha1.PropertyName(change.Property[:min(len(change.Property), 255)]))
	}
	return names
}

// startAnew forgets the account of a former member of that name.
func (a *accountAttempt) startAnew() {
	fields := &a.account.Status
	fields.ExternalID, fields.UserName, fields.DisplayName, fields.CorrelationID = "", "", "", ""
	fields.Digest, fields.Error, fields.Adopted, fields.Drift, fields.RemovedAt = "", nil, nil, nil, metav1.Time{}
	fields.State = v1alpha1.AccountPending
}

// refusedHere tells of values that the service does not allow. Somebody who is
// suspended is kept out nevertheless.
func (a *accountAttempt) refusedHere(ctx context.Context, cause error, report *status.Report) status.Outcome {
	digest := a.memberDigest()
	fields := a.account.Status
	if fields.Error != nil && a.mark == 0 && a.settled.get(a.name) == digest {
		return failedOutcome(*fields.Error)
	}
	if err := a.keepOut(ctx); err != nil {
		return a.failed(err, "", report)
	}
	return a.failed(cause, digest, report)
}

// refusedByIdP leaves an account as it is until the IdP takes the Member's spec: it
// may hold what is another member's.
func (a *accountAttempt) refusedByIdP(ctx context.Context, report *status.Report) status.Outcome {
	if err := a.keepOut(ctx); err != nil {
		return a.failed(err, "", report)
	}
	if a.owner.refused == "" {
		return waits(v1alpha1.PendingReason, fmt.Sprintf("Member %q as it is now is not live in the IdP yet.", a.account.Spec.MemberRef.Name))
	}
	return waits(v1alpha1.PendingReason, fmt.Sprintf(
		"The account stays as it is: the IdP does not take the spec of Member %q. Its condition Published says: %s", a.account.Spec.MemberRef.Name, a.owner.refused))
}

// keepOut disables the account of somebody who is suspended, and changes nothing else.
func (a *accountAttempt) keepOut(ctx context.Context) error {
	fields := &a.account.Status
	if !a.owner.subject.Member.Suspended || fields.ExternalID == "" || fields.State == v1alpha1.AccountDisabled && a.mark == 0 {
		return nil
	}
	found, _, err := a.find(ctx, a.correlationID())
	if err == nil && found != nil && found.Active && !found.Deleted && found.Unmanageable == "" {
		if err = a.live.service.Disable(ctx, *found); err == nil {
			fields.State, fields.Digest = v1alpha1.AccountDisabled, ""
			a.record(done{action: provision.Disable, account: *found})
		}
	}
	return err
}

// targetAway tells that the target cannot be used. What is known to be as
// declared stays so.
func (a *accountAttempt) targetAway() status.Outcome {
	fields := a.account.Status
	unchanged := a.owner.subject != nil && fields.Error == nil && fields.Digest != "" && fields.Digest[:min(len(fields.Digest), 31)] == a.memberDigest()
	if unchanged && fields.RemovedAt.IsZero() || a.owner.subject == nil && !a.pending && !fields.RemovedAt.IsZero() {
		return synced(fields)
	}
	return waits(a.live.reason, fmt.Sprintf("ProvisioningTarget %q cannot be used now. %s", a.live.name.Name, a.live.message))
}

// actions are the audit log's words (X3).
var actions = map[provision.Action]string{
	provision.Create: admin.AccountCreated, provision.Update: admin.AccountUpdated, provision.Adopt: admin.AccountAdopted,
	provision.Restore: admin.AccountRestored, provision.Disable: admin.AccountDisabled, provision.Delete: admin.AccountDeleted,
}

// record tells the audit log and the metrics what was done.
func (a *accountAttempt) record(d done) {
	a.metrics.count(a.live.name, string(d.action), "")
	action, ours := actions[d.action]
	if !ours {
		return
	}
	detail := "account " + d.account.UserName
	if d.action == provision.Update || d.action == provision.Adopt {
		var names []string
		for _, change := range d.changes {
			names = append(names, change.Property)
		}
		detail += ": " + strings.Join(names, ", ")
	}
	a.tellAudit(action, detail)
}

// tellAudit writes an entry into the audit log of the member's identity server.
func (a *accountAttempt) tellAudit(action, detail string) {
	if a.owner.tenant == nil {
		return
	}
	entry := admin.AuditEntry{
		Tenant: slugOf(a.owner.tenant), Member: a.account.Spec.MemberRef.Name, App: a.live.name.Name, Action: action, Detail: detail,
	}
	if subject := a.owner.subject; subject != nil {
		entry.MemberName, entry.Mail = subject.Member.Person.Display(subject.Member.Language), subject.Member.Mail
	}
	a.audit.record(serverName(a.owner.tenant), entry)
}
