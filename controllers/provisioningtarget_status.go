/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

const (
	// countEvery is how often a target's accounts are counted while many change.
	countEvery = 5 * time.Second
	// countDelay gathers the first few changes.
	countDelay = 250 * time.Millisecond
)

// pace spaces the counts of a target's accounts.
type pace struct {
	mu      sync.Mutex
	counted map[types.NamespacedName]time.Time
}

// wait is how long to wait until the next count.
func (p *pace) wait(name types.NamespacedName, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.counted[name].Add(countEvery).Sub(now), countDelay)
}

// note remembers a count of accounts that are still changing.
func (p *pace) note(name types.NamespacedName, now time.Time, changing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counted == nil {
		p.counted = map[types.NamespacedName]time.Time{}
	}
	if changing {
		p.counted[name] = now
	} else {
		delete(p.counted, name)
	}
}

func (p *pace) forget(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.counted, name)
}

// moment is what a target's next step and status are decided from.
type moment struct {
	now       time.Time
	suspended bool
	trouble   trouble
	state     runState
	tally     tally
	waiting   int
	// silent tells that the service gives no sensible answer, even to one call at a time.
	silent bool
	// due is when the next sync of all begins; asked the value of the annotation
	// that asks for one now, empty where none was.
	due     time.Time
	asked   string
	wanted  *wantedGroups
	pausing bool
	// federation is nil where the domain's log-in is none of ours.
	federation *wantedFederation
	// remarks are told of a target that is in order.
	remarks []string
}

// operate decides whether a target's service can be used, begins what is due,
// and sums up; false means that it cannot be used.
func (k *provisioningTargets) operate(ctx context.Context, target *v1alpha1.ProvisioningTarget, in *scope, live liveTarget, when schedule, report *status.Report) bool {
	accounts, err := k.accountsOf(ctx, live.name)
	if err == nil {
		err = k.dropAdopted(ctx, accounts)
	}
	if err == nil {
		err = k.approve(ctx, target, accounts)
	}
	var wanted *wantedGroups
	if err == nil {
		wanted, err = k.wantedOf(ctx, target, in, accounts)
	}
	var federation *wantedFederation
	if err == nil {
		federation, err = k.federationOf(ctx, target, in, accounts)
	}
	if err != nil {
		report.Add(readFailed("The target's accounts", err))
		return k.targets.get(live.name).service != nil
	}
	m := k.look(target, live, when, accounts, wanted)
	m.federation, m.remarks = federation, undeclaredAttributes(target.Spec, in.tenant)
	k.begin(target, in, live, m)
	k.observe(target, live, m)
	k.tellFederation(ctx, target, observeFederation(target, m))
	outcome := m.outcome(target)
	report.Add(outcome)
	k.wakeInTime(report, m)
	k.pace.note(live.name, time.Now(), m.tally.pending() > 0 || m.waiting > 0)
	if reason, message := m.unusable(outcome); reason != "" {
		k.targets.set(k.unusable(target, reason, message))
	} else {
		k.targets.set(live)
	}
	return true
}

func (k *provisioningTargets) look(target *v1alpha1.ProvisioningTarget, live liveTarget, when schedule, accounts []v1alpha1.Account, wanted *wantedGroups) moment {
	m := moment{
		now: k.clock(), suspended: target.Annotations[v1alpha1.SuspendedAnnotation] == "true",
		trouble: k.targets.trouble(live.name, live.fingerprint), state: k.runs.state(live.name, live.fingerprint),
		tally: tallyOf(accounts), wanted: wanted,
	}
	if k.waiting != nil {
		m.waiting, m.silent = k.waiting(live.name)
	}
	last, request := target.Status.LastSync.Time, target.Status.LastSyncRequest
	if m.state.synced != nil {
		last, request = m.state.synced.at, cmp.Or(m.state.synced.request, request)
	}
	if m.due = target.CreationTimestamp.Time; !last.IsZero() {
		m.due = when.after(last)
	}
	if asked := target.Annotations[v1alpha1.SyncNowAnnotation]; asked != request {
		m.asked = asked
	}
	if failure := m.trouble.failure; failure != nil {
		// Nothing is asked until the schedule comes.
		m.pausing = (m.asked == "" || m.asked == m.state.tried) && m.now.Before(when.after(m.trouble.at))
		m.due = when.after(m.trouble.at)
	}
	return m
}

// begin starts a run where something is due.
func (k *provisioningTargets) begin(target *v1alpha1.ProvisioningTarget, in *scope, live liveTarget, m moment) {
	w := work{target: target.DeepCopy(), in: in, live: live, everything: m.asked != "" || !m.now.Before(m.due), request: m.asked}
	if m.wanted != nil && w.everything || m.wanted.due(m.state.groups, m.tally.pending() > 0) {
		w.groups = m.wanted
	}
	if w.everything || m.federationDue() {
		w.federation = m.federation
	}
	if m.suspended {
		k.runs.halt(live.name)
		return
	}
	if m.pausing || m.state.checked && !w.everything && w.groups == nil && w.federation == nil {
		return
	}
	k.runs.start(live.name, live.fingerprint, m.asked, k.runOf(w))
}

// observe writes the status fields.
func (k *provisioningTargets) observe(target *v1alpha1.ProvisioningTarget, live liveTarget, m moment) {
	fields := &target.Status
	more := 0 // than there are Accounts for
	if told := fields.Accounts; told != nil && told.Unmanaged != nil && m.tally.unmanaged >= maxUnmanaged {
		more = int(*told.Unmanaged)
	}
	if found := m.state.synced; found != nil {
		if more = 0; found.unmanaged > maxUnmanaged {
			more = found.unmanaged
		}
		fields.LastSync, fields.Devices = metav1.NewTime(found.at.Truncate(time.Second)), found.devices
		fields.LastSyncRequest = cmp.Or(found.request, fields.LastSyncRequest)
	}
	fields.NextSync = metav1.NewTime(m.due)
	fields.Accounts = &v1alpha1.AccountCounts{
		Desired: count(m.tally.desired), Synced: count(m.tally.synced), Failed: count(m.tally.failed), Held: count(m.tally.held), Unmanaged: count(max(m.tally.unmanaged, more)),
	}
	fields.Progress = nil
	if waiting := max(m.waiting, m.tally.pending()); waiting > 0 {
		fields.Progress = &v1alpha1.SyncProgress{Waiting: count(waiting)}
		if m.works() {
			left := time.Duration(float64(waiting) / float64(live.writesPerSecond) * float64(time.Second)).Round(time.Second)
			fields.Progress.TimeLeft = v1alpha1.Duration(max(left, time.Second).String())
		}
	}
	fields.ThrottledUntil = metav1.Time{}
	if m.trouble.throttledUntil.After(m.now) {
		fields.ThrottledUntil = metav1.NewTime(m.trouble.throttledUntil.Truncate(time.Second))
	}
	if m.state.checked {
		fields.CredentialExpires = metav1.NewTime(m.state.findings.CredentialExpires)
	}
	fields.Groups = nil
	if m.wanted != nil && m.state.groups.digest != "" {
		fields.Groups = count(m.state.groups.count)
	}
}

// works tells that what waits is being done.
func (m moment) works() bool {
	return !m.suspended && m.trouble.failure == nil && m.state.checked && !m.unanswered()
}

// unanswered tells that the service does not answer: a call that fails among many
// that do not is no reason to say so.
func (m moment) unanswered() bool {
	return m.tally.unanswered > 0 && (m.silent || m.tally.unanswered == m.tally.pending())
}

// wakeInTime asks for the next look.
func (k *provisioningTargets) wakeInTime(report *status.Report, m moment) {
	for _, at := range []time.Time{m.due, m.state.retryAt, m.trouble.throttledUntil, m.state.federation.due(), m.state.findings.CredentialExpires.Add(-expiryWarning)} {
		if at.After(m.now) {
			report.RequeueAfter(at.Sub(m.now))
		}
	}
}

// unusable says why the service is not to be called; empty where it can be.
func (m moment) unusable(outcome status.Outcome) (reason, message string) {
	switch {
	case m.suspended, m.trouble.failure != nil:
		return outcome.Reason, outcome.Message
	case m.state.checked:
		return "", ""
	case m.state.failure != nil:
		return outcome.Reason, outcome.Message
	default:
		return v1alpha1.PendingReason, "The service is being asked whether the credentials serve."
	}
}

// outcome sums up how a target is: what a person has to do comes first.
func (m moment) outcome(target *v1alpha1.ProvisioningTarget) status.Outcome {
	mustAct := func(reason, message string) status.Outcome {
		return status.Outcome{Verdict: status.UserMustAct, Reason: reason, Message: message}
	}
	switch {
	case m.suspended:
		return m.heldStill()
	case m.trouble.failure != nil:
		return mustAct(v1alpha1.AuthenticationFailedReason, fmt.Sprintf("%s Nothing is asked of the service until %s changes, or the next sync is due. %s",
			m.trouble.failure.Message, credentialsOf(target), seenBySync(target)))
	case m.state.failure != nil:
		return m.failed()
	case !m.state.checked:
		return waits(v1alpha1.SyncingReason, "The service is being asked whether the credentials serve.")
	case m.unanswered():
		return status.Outcome{Verdict: status.Retries, Reason: v1alpha1.UnavailableReason, Message: fmt.Sprintf(
			"Accounts that wait, and are tried again: %d. %s", m.tally.pending(), m.tally.silence)}
	case m.tally.held > 0:
		return mustAct(v1alpha1.DeletionHeldReason, fmt.Sprintf(
			"The deletion guard holds the removal of %d accounts. To see them: kubectl get accounts -n %s --field-selector spec.targetRef.name=%s,status.state=Held. To approve all that it holds now: %s",
			m.tally.held, target.Namespace, target.Name, approveCommand("provisioningtarget", client.ObjectKeyFromObject(target))))
	case m.tally.lasting > 0:
		return mustAct(v1alpha1.AccountsFailedReason, fmt.Sprintf(
			"Accounts that are not as declared: %d. Theirs tell what to do: kubectl get accounts -n %s --field-selector spec.targetRef.name=%s,status.state=Failed -o wide. %s",
			m.tally.lasting, target.Namespace, target.Name, seenBySync(target)))
	case m.trouble.throttledUntil.After(m.now):
		return waits(v1alpha1.ThrottledReason, "The service asks to wait; the work goes on as soon as it takes calls again.")
	case m.tally.failed > 0:
		return status.Outcome{Verdict: status.Retries, Reason: v1alpha1.AccountsFailedReason, Message: fmt.Sprintf("%d accounts are not as declared yet; they are tried again.", m.tally.failed)}
	case m.tally.pending() > 0:
		return waits(v1alpha1.SyncingReason, "Changes to the service are under way.")
	}
	if outcome, stands := federationOutcome(target); stands {
		return outcome
	}
	return m.synced(target)
}

// heldStill tells of a suspended target: in order as long as nothing waits for it.
func (m moment) heldStill() status.Outcome {
	outcome := status.Outcome{Reason: v1alpha1.SuspendedReason, Message: fmt.Sprintf("All work on the service is suspended; remove the annotation %s to go on.", v1alpha1.SuspendedAnnotation)}
	if waiting := m.tally.pending() + m.tally.failed + m.tally.held; waiting > 0 {
		outcome.Verdict = status.UserMustAct
		outcome.Message = fmt.Sprintf("%d accounts wait, as all work on the service is suspended; remove the annotation %s to go on.", waiting, v1alpha1.SuspendedAnnotation)
	}
	return outcome
}

// failed tells of a run that failed.
func (m moment) failed() status.Outcome {
	failure := m.state.failure
	message := failure.Message
	if m.state.checked {
		message = "The last sync could not be finished, and nothing was concluded from it: " + message
	}
	outcome := status.Outcome{Verdict: status.UserMustAct, Reason: v1alpha1.RefusedReason, Message: message}
	switch failure.Cause {
	case provision.Forbidden, provision.Protected:
		outcome.Reason = v1alpha1.PermissionMissingReason
	case provision.Throttled:
		outcome.Verdict, outcome.Reason = status.Waits, v1alpha1.ThrottledReason
	case provision.Unavailable, provision.NotFound:
		outcome.Verdict, outcome.Reason = status.Retries, v1alpha1.UnavailableReason
	case provision.Unauthorized, provision.Conflict, provision.Invalid, provision.LicenseLimit, provision.DeviceEnrolled, provision.ManagedElsewhere:
	}
	return outcome
}

// synced tells that all is as declared, and what to care for nevertheless.
func (m moment) synced(target *v1alpha1.ProvisioningTarget) status.Outcome {
	outcome := status.Outcome{Reason: v1alpha1.SyncedReason, Message: "Every account is as declared."}
	if intuneTarget(target.Spec) != "" {
		outcome.Message = "The credentials serve; devices are read with every sync."
	}
	if expires := m.state.findings.CredentialExpires; !expires.IsZero() && expires.Sub(m.now) <= expiryWarning {
		outcome.Reason = v1alpha1.CredentialExpiringReason
		verb := "end"
		if expires.Before(m.now) {
			verb = "ended"
		}
		outcome.Message += fmt.Sprintf(" But the credentials %s at %s; make new ones in the service and put them into the Secret.", verb, expires.UTC().Format(time.RFC3339))
	}
	for _, remark := range slices.Concat(m.state.findings.Remarks, m.remarks) {
		outcome.Message += " " + remark
	}
	return outcome
}

// seenBySync tells how to go on after something was mended in the service.
func seenBySync(target *v1alpha1.ProvisioningTarget) string {
	return fmt.Sprintf(`What is mended in the service is seen by the next sync; to sync now: kubectl annotate provisioningtarget %s -n %s %s="$(date)" --overwrite`,
		target.Name, target.Namespace, v1alpha1.SyncNowAnnotation)
}

// credentialsOf names the Secret of a target's credentials.
func credentialsOf(target *v1alpha1.ProvisioningTarget) string {
	if uses := secretUses(target.Spec); len(uses) > 0 {
		return fmt.Sprintf("the Secret %q", uses[0].name)
	}
	return "the Secret of the other target"
}

func readyOf(target *v1alpha1.ProvisioningTarget) *metav1.Condition {
	return meta.FindStatusCondition(target.Status.Conditions, v1alpha1.ReadyCondition)
}

// approve carries out a new value of the annotation that approves deletions: it
// marks those that are held at this moment. Their own controller goes on.
func (k *provisioningTargets) approve(ctx context.Context, target *v1alpha1.ProvisioningTarget, accounts []v1alpha1.Account) error {
	approval := target.Annotations[v1alpha1.ApproveDeletionsAnnotation]
	if len(approval) > maxNote {
		approval = approval[:maxNote]
	}
	if approval == "" || approval == target.Status.LastApproval {
		return nil
	}
	for i := range accounts {
		account := &accounts[i]
		if account.Status.State != v1alpha1.AccountHeld || account.Annotations[v1alpha1.ApproveDeletionsAnnotation] == approval {
			continue
		}
		marked := account.DeepCopy()
		if marked.Annotations == nil {
			marked.Annotations = map[string]string{}
		}
		marked.Annotations[v1alpha1.ApproveDeletionsAnnotation] = approval
		if err := k.Patch(ctx, marked, client.MergeFrom(account)); client.IgnoreNotFound(err) != nil {
			return err
		}
		k.wakeAccounts(keyOf(account))
	}
	target.Status.LastApproval = approval
	return nil
}
