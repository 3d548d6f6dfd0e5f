/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

func TestSchedules(t *testing.T) {
	entra := v1alpha1.ProvisioningTargetSpec{EntraID: &v1alpha1.EntraID{}}
	at := func(cron, zone string) v1alpha1.ProvisioningTargetSpec {
		return v1alpha1.ProvisioningTargetSpec{Schedule: &v1alpha1.Schedule{Cron: cron, TimeZone: zone}}
	}
	for name, test := range map[string]struct {
		spec        v1alpha1.ProvisioningTargetSpec
		after, want string // want is a part of the error where it is no time
	}{
		"Entra ID: each hour":             {entra, "2026-11-22T05:00:00Z", "2026-11-22T06:00:00Z"},
		"others: 03:00 in the tenant's":   {v1alpha1.ProvisioningTargetSpec{}, "2026-11-22T05:00:00Z", "2026-11-22T18:00:00Z"},
		"a time zone of its own":          {at("15 4 * * *", "Europe/Berlin"), "2026-11-22T05:00:00Z", "2026-11-23T03:15:00Z"},
		"in the hour that a clock skips":  {at("30 2 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		"on working days":                 {at("0 9 * * 1-5", "UTC"), "2026-11-21T09:00:00Z", "2026-11-23T09:00:00Z"},
		"leap days":                       {at("0 0 29 2 *", "UTC"), "2026-11-21T09:00:00Z", "2028-02-29T00:00:00Z"},
		"seconds are no field":            {at("0 0 3 * * *", ""), "2026-11-22T05:00:00Z", "no cron expression of five fields"},
		"words are none":                  {at("@every 1s", ""), "2026-11-22T05:00:00Z", "no cron expression of five fields"},
		"a day that never comes":          {at("0 0 30 2 *", ""), "2026-11-22T05:00:00Z", "never comes"},
		"a time zone within":              {at("TZ=Asia/Tokyo 0 3 * * *", ""), "2026-11-22T05:00:00Z", "goes into schedule.timeZone"},
		"a time zone that does not exist": {at("0 3 * * *", "Asia/Edo"), "2026-11-22T05:00:00Z", "there is no time zone"},
		"out of range":                    {at("61 3 * * *", ""), "2026-11-22T05:00:00Z", "no cron expression of five fields"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			after, err := time.Parse(time.RFC3339, test.after)
			g.Expect(err).NotTo(HaveOccurred())
			when, err := scheduleOf(&v1alpha1.ProvisioningTarget{Spec: test.spec}, "Asia/Tokyo", after)
			want, parse := time.Parse(time.RFC3339, test.want)
			if parse != nil {
				g.Expect(err).To(MatchError(ContainSubstring(test.want)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(when.after(after)).To(BeTemporally("==", want))
		})
	}
}

func TestTally(t *testing.T) {
	g := NewWithT(t)
	account := func(state v1alpha1.AccountState, change func(*v1alpha1.Account)) v1alpha1.Account {
		made := v1alpha1.Account{Spec: v1alpha1.AccountSpec{MemberRef: &v1alpha1.MemberReference{Name: "taro"}}, Status: v1alpha1.AccountStatus{State: state}}
		if change != nil {
			change(&made)
		}
		return made
	}
	in := func(a *v1alpha1.Account) {
		a.Status.Conditions = []metav1.Condition{{Type: v1alpha1.SyncedCondition, Status: metav1.ConditionTrue}}
	}
	found := tallyOf([]v1alpha1.Account{
		account(v1alpha1.AccountActive, in), account(v1alpha1.AccountDisabled, in), account(v1alpha1.AccountPending, nil),
		account(v1alpha1.AccountHeld, nil),
		account(v1alpha1.AccountHeld, func(a *v1alpha1.Account) {
			a.Annotations = map[string]string{v1alpha1.ApproveDeletionsAnnotation: "yes"}
		}),
		account(v1alpha1.AccountActive, func(a *v1alpha1.Account) {
			a.Status.Error = &v1alpha1.AccountError{Cause: "Unavailable", Message: "It is away."}
		}),
		account(v1alpha1.AccountRemoved, func(a *v1alpha1.Account) { in(a); a.Status.RemovedAt = metav1.Now() }),
		account(v1alpha1.AccountFailed, nil),
		account(v1alpha1.AccountFailed, func(a *v1alpha1.Account) { a.Status.Error = &v1alpha1.AccountError{NextTry: metav1.Now()} }),
		account(v1alpha1.AccountUnmanaged, func(a *v1alpha1.Account) { a.Spec.MemberRef = nil }),
	})
	g.Expect(found).To(Equal(tally{desired: 7, synced: 2, failed: 2, lasting: 1, held: 1, unmanaged: 1, unanswered: 1, silence: "It is away."}))
	g.Expect(found.pending()).To(Equal(3), "what is approved is under way")
}

// What a person has to do comes before what passes by itself.
func TestOutcomesOfATarget(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	failure := func(cause provision.Cause) *provision.Error {
		return &provision.Error{Cause: cause, Message: "It failed."}
	}
	checked := runState{checked: true}
	target := &v1alpha1.ProvisioningTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "chat"}, Spec: v1alpha1.ProvisioningTargetSpec{SCIM: &v1alpha1.SCIM{
		Authentication: v1alpha1.SCIMAuthentication{BearerTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "chat-token", Key: "token"}},
	}}}
	for name, test := range map[string]struct {
		moment  moment
		verdict status.Verdict
		reason  string
		message string
		usable  bool
	}{
		"never checked":      {moment{}, status.Waits, v1alpha1.SyncingReason, "being asked", false},
		"suspended":          {moment{suspended: true, trouble: trouble{failure: failure(provision.Unauthorized)}}, status.Done, v1alpha1.SuspendedReason, "identity.tegata.dev/suspended", false},
		"suspended too long": {moment{suspended: true, tally: tally{desired: 9, synced: 7, failed: 1, held: 1}}, status.UserMustAct, v1alpha1.SuspendedReason, "3 accounts wait", false},
		"refused":            {moment{state: checked, trouble: trouble{failure: failure(provision.Unauthorized)}}, status.UserMustAct, v1alpha1.AuthenticationFailedReason, `until the Secret "chat-token" changes, or the next sync is due. What is mended in the service is seen by the next sync; to sync now: kubectl annotate provisioningtarget chat -n acme identity.tegata.dev/sync-now="$(date)" --overwrite`, false},
		"check failed":       {moment{state: runState{failure: failure(provision.Unavailable)}}, status.Retries, v1alpha1.UnavailableReason, "It failed.", false},
		"listing failed":     {moment{state: runState{checked: true, failure: failure(provision.Unavailable)}}, status.Retries, v1alpha1.UnavailableReason, "nothing was concluded", true},
		"permission missing": {moment{state: runState{failure: failure(provision.Forbidden)}}, status.UserMustAct, v1alpha1.PermissionMissingReason, "It failed.", false},
		"held before failed": {moment{state: checked, tally: tally{held: 30, lasting: 1, failed: 1}}, status.UserMustAct, v1alpha1.DeletionHeldReason, `removal of 30 accounts. To see them: kubectl get accounts -n acme --field-selector spec.targetRef.name=chat,status.state=Held. To approve all that it holds now: kubectl annotate provisioningtarget chat -n acme identity.tegata.dev/approve-deletions="$(date)" --overwrite`, true},
		"some failed":        {moment{state: checked, tally: tally{desired: 9, failed: 3, lasting: 2}}, status.UserMustAct, v1alpha1.AccountsFailedReason, "not as declared: 2. Theirs tell what to do: kubectl get accounts -n acme --field-selector spec.targetRef.name=chat,", true},
		"failed for now":     {moment{state: checked, tally: tally{desired: 9, failed: 3}}, status.Retries, v1alpha1.AccountsFailedReason, "tried again", true},
		"throttled":          {moment{now: now, state: checked, trouble: trouble{throttledUntil: now.Add(time.Second)}, tally: tally{desired: 9}}, status.Waits, v1alpha1.ThrottledReason, "asks to wait", true},
		"under way":          {moment{state: checked, tally: tally{desired: 9, synced: 8}}, status.Waits, v1alpha1.SyncingReason, "under way", true},
		"nobody answers":     {moment{state: checked, tally: tally{desired: 9, synced: 7, failed: 1, lasting: 1, unanswered: 1, silence: "It is away."}}, status.Retries, v1alpha1.UnavailableReason, "tried again: 1. It is away.", true},
		"one of many fails":  {moment{state: checked, tally: tally{desired: 9, synced: 1, unanswered: 1}}, status.Waits, v1alpha1.SyncingReason, "under way", true},
		"silent":             {moment{state: checked, silent: true, tally: tally{desired: 9, synced: 1, unanswered: 1, silence: "It is away."}}, status.Retries, v1alpha1.UnavailableReason, "tried again: 8. It is away.", true},
		"done":               {moment{state: checked, tally: tally{desired: 9, synced: 9}}, status.Done, v1alpha1.SyncedReason, "as declared", true},
		"credentials end": {moment{now: now, state: runState{checked: true, findings: provision.Findings{CredentialExpires: now.Add(29 * 24 * time.Hour)}}},
			status.Done, v1alpha1.CredentialExpiringReason, "end at 2026-12-21T00:00:00Z", true},
		"credentials ended": {moment{now: now, state: runState{checked: true, findings: provision.Findings{CredentialExpires: now.Add(-time.Hour)}}},
			status.Done, v1alpha1.CredentialExpiringReason, "ended at", true},
		"an own remark": {moment{state: checked, remarks: []string{"Nobody has it."}}, status.Done, v1alpha1.SyncedReason, "as declared. Nobody has it.", true},
		"remarks":       {moment{state: runState{checked: true, findings: provision.Findings{Remarks: []string{"The clock differs."}}}}, status.Done, v1alpha1.SyncedReason, "The clock differs.", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			outcome := test.moment.outcome(target)
			g.Expect(outcome.Verdict).To(Equal(test.verdict))
			g.Expect(outcome.Reason).To(Equal(test.reason))
			g.Expect(outcome.Message).To(ContainSubstring(test.message))
			reason, _ := test.moment.unusable(outcome)
			g.Expect(reason == "").To(Equal(test.usable))
		})
	}
}

func TestUndeclaredAttributes(t *testing.T) {
	g := NewWithT(t)
	from := func(name, attribute string) v1alpha1.TargetAttribute {
		return v1alpha1.TargetAttribute{Name: name, From: &v1alpha1.TargetAttributeSource{Attribute: attribute}}
	}
	spec := v1alpha1.ProvisioningTargetSpec{Attributes: []v1alpha1.TargetAttribute{{Name: "site", Value: "東京"}, from("employeeId", "employeeNumber"), from("title", "jobTitel")}}
	tenant := directory.Tenant{Slug: "acme", Attributes: []directory.AttributeDefinition{{Name: "employeeNumber"}}}
	g.Expect(undeclaredAttributes(spec, tenant)).To(ConsistOf(
		`Tenant acme declares no attribute "jobTitel", so title is empty for everybody: add it to the Tenant's spec.attributes, or correct spec.attributes[2].from.attribute.`))
}

// How long work takes is told only while it is done.
func TestTimeLeft(t *testing.T) {
	checked := runState{checked: true}
	waits := tally{desired: 9, synced: 1}
	for name, test := range map[string]struct {
		moment moment
		want   string
	}{
		"under way": {moment{state: checked, tally: waits}, "4s"},
		"suspended": {moment{state: checked, suspended: true, tally: waits}, ""},
		"refused":   {moment{state: checked, trouble: trouble{failure: &provision.Error{}}, tally: waits}, ""},
		"unchecked": {moment{tally: waits}, ""},
		"silent":    {moment{state: checked, silent: true, tally: tally{desired: 9, synced: 1, unanswered: 1}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			target := &v1alpha1.ProvisioningTarget{}
			(&provisioningTargets{}).observe(target, liveTarget{writesPerSecond: 2}, test.moment)
			g.Expect(target.Status.Progress).To(Equal(&v1alpha1.SyncProgress{Waiting: count(8), TimeLeft: v1alpha1.Duration(test.want)}))
		})
	}
}

func TestLiveTargets(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	woken := 0
	targets := newLiveTargets(func() time.Time { return now }, func(types.NamespacedName) { woken++ })
	var told []bool
	targets.onChange(func(_ liveTarget, usable bool) { told = append(told, usable) })
	name := types.NamespacedName{Namespace: "acme", Name: "chat"}
	g.Expect(targets.get(name).service).To(BeNil())
	g.Expect(targets.get(name).reason).To(Equal(v1alpha1.PendingReason))

	live := liveTarget{name: name, fingerprint: "1", service: provision.Target(nil)}
	targets.set(live)
	g.Expect(told).To(BeEmpty())
	live.reason = v1alpha1.SuspendedReason
	targets.set(live)
	targets.set(live)
	g.Expect(told).To(Equal([]bool{false}), "told once")

	targets.failed(live, &provision.Error{Cause: provision.Conflict})
	targets.failed(live, errors.New("something"))
	g.Expect(woken).To(BeZero(), "the account's own failures")
	for range 3 {
		targets.failed(live, &provision.Error{Cause: provision.Throttled, RetryAfter: time.Minute})
	}
	g.Expect(woken).To(Equal(1))
	g.Expect(targets.trouble(name, "1").throttledUntil).To(Equal(now.Add(time.Minute)))
	targets.failed(live, &provision.Error{Cause: provision.Unauthorized})
	targets.failed(live, &provision.Error{Cause: provision.Unauthorized})
	g.Expect(woken).To(Equal(2))
	g.Expect(targets.trouble(name, "1").failure).NotTo(BeNil())
	g.Expect(targets.trouble(name, "2")).To(Equal(trouble{}), "other credentials, another chance")
	targets.recovered(name)
	g.Expect(targets.trouble(name, "1").failure).To(BeNil())

	account := types.NamespacedName{Namespace: "acme", Name: "chat-taro"}
	targets.suspect(account)
	mark := targets.suspected(account)
	targets.suspect(account)
	targets.compared(account, mark)
	g.Expect(targets.suspected(account)).NotTo(BeZero(), "marked again meanwhile")
	targets.compared(account, targets.suspected(account))
	g.Expect(targets.suspected(account)).To(BeZero())
	targets.remove(name)
	targets.remove(name)
	g.Expect(told).To(Equal([]bool{false, false}))
}

func TestDevicesFindTheirOwners(t *testing.T) {
	g := NewWithT(t)
	account := func(name, id, correlation, userName string) v1alpha1.Account {
		made := v1alpha1.Account{Spec: v1alpha1.AccountSpec{MemberRef: &v1alpha1.MemberReference{Name: name}}, Status: v1alpha1.AccountStatus{ExternalID: id, CorrelationID: correlation, UserName: userName}}
		made.Name = name
		return made
	}
	yes, no := true, false
	devices := []provision.Device{
		{ID: "3", Owner: provision.Reference{UserName: "Taro@acme.example"}, Compliant: &no},
		{ID: "1", Name: "phone", Owner: provision.Reference{ExternalID: "x"}, Compliant: &yes},
		{ID: "1", Owner: provision.Reference{ExternalID: "x"}},
		{ID: "2", Owner: provision.Reference{CorrelationID: "c"}},
		{ID: "4", Owner: provision.Reference{ExternalID: "unknown", UserName: "taro@acme.example"}},
		{ID: "5"},
	}
	owned := devicesByAccount([]v1alpha1.Account{account("taro", "x", "", "taro@acme.example"), account("hanako", "", "c", "")}, devices)
	ids := map[string][]string{}
	for name, list := range owned {
		for _, device := range list {
			ids[name] = append(ids[name], device.ID)
		}
	}
	g.Expect(ids).To(Equal(map[string][]string{"taro": {"1", "3", "4"}, "hanako": {"2"}}))
	g.Expect(countDevices(devices)).To(Equal(&v1alpha1.DeviceCounts{Managed: count(6), Compliant: count(1)}))
	g.Expect(countDevices(devices[3:])).To(Equal(&v1alpha1.DeviceCounts{Managed: count(3)}))
}

func TestPaceSpacesCounts(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	name, p := types.NamespacedName{Name: "chat"}, pace{}
	g.Expect(p.wait(name, now)).To(Equal(countDelay))
	p.note(name, now, true)
	g.Expect(p.wait(name, now.Add(time.Second))).To(Equal(4 * time.Second))
	p.note(name, now, false)
	g.Expect(p.wait(name, now.Add(time.Second))).To(Equal(countDelay))
}

// A service that was in order once stays in use while it does not answer, and is
// asked again soon where it was not.
func TestRunsRemember(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	away := &provision.Error{Cause: provision.Unavailable}
	var s runState
	for range 12 {
		s.take(runReport{}, away, now)
	}
	g.Expect(s.checked).To(BeFalse())
	g.Expect(s.retryAt).To(Equal(now.Add(longestCheckRetry)))
	s.take(runReport{checked: true, synced: &syncResult{unmanaged: 3}, groups: &groupsResult{digest: "a"}}, nil, now)
	g.Expect(s.checked).To(BeTrue())
	g.Expect(s.retryAt.IsZero()).To(BeTrue())
	for range 12 {
		s.take(runReport{}, away, now)
	}
	g.Expect(s.checked).To(BeTrue())
	g.Expect(s.retryAt).To(Equal(now.Add(longestRunRetry)))
	g.Expect(s.synced.unmanaged).To(Equal(3))
	s.take(runReport{}, &provision.Error{Cause: provision.Throttled, RetryAfter: time.Hour}, now)
	g.Expect(s.retryAt).To(Equal(now.Add(time.Hour)), "as long as the service asks for")
	s.take(runReport{}, &provision.Error{Cause: provision.Forbidden}, now)
	g.Expect(s.checked).To(BeFalse())
}

// What a former process did is not done again: its status tells.
func TestNoSyncStormAfterARestart(t *testing.T) {
	now := time.Date(2026, 11, 22, 5, 30, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		last   time.Time
		asked  string
		paused bool
		due    bool
	}{
		"never synced":                 {due: true},
		"synced in time":               {last: now.Add(-20 * time.Minute)},
		"missed while nothing ran":     {last: now.Add(-31 * time.Minute), due: true},
		"asked for and done":           {last: now.Add(-20 * time.Minute), asked: "done"},
		"asked for anew":               {last: now.Add(-20 * time.Minute), asked: "new", due: true},
		"refused a short while ago":    {paused: true},
		"refused, and asked for again": {paused: true, asked: "new", due: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			target := &v1alpha1.ProvisioningTarget{ObjectMeta: metav1.ObjectMeta{
				Name: "entra", CreationTimestamp: metav1.NewTime(now.Add(-48 * time.Hour)), Annotations: map[string]string{v1alpha1.SyncNowAnnotation: test.asked},
			}, Spec: v1alpha1.ProvisioningTargetSpec{EntraID: &v1alpha1.EntraID{}}}
			target.Status.LastSync, target.Status.LastSyncRequest = metav1.NewTime(test.last), "done"
			clock := func() time.Time { return now }
			k := &provisioningTargets{clock: clock, targets: newLiveTargets(clock, func(types.NamespacedName) {}), runs: newRuns(t.Context(), clock, nil)}
			live := liveTarget{name: keyOf(target), fingerprint: "1"}
			if test.paused {
				k.targets.failed(live, &provision.Error{Cause: provision.Unauthorized})
			}
			when, err := scheduleOf(target, "Asia/Tokyo", now)
			g.Expect(err).NotTo(HaveOccurred())
			m := k.look(target, live, when, nil, nil)
			g.Expect(!m.pausing && (m.asked != "" || !m.now.Before(m.due))).To(Equal(test.due))
		})
	}
}

// Which Accounts a comparison has look again.
func TestSuspects(t *testing.T) {
	began := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	desired := &provision.Desired{CorrelationID: "c", UserName: "taro", Active: true}
	there := provision.Account{ExternalID: "x", CorrelationID: "c", UserName: "taro", Active: true}
	for name, test := range map[string]struct {
		status  v1alpha1.AccountStatus
		there   *provision.Account
		desired *provision.Desired
		err     error
		entra   bool
		request string
		want    bool
	}{
		"as it should be":              {there: &there, desired: desired},
		"gone there":                   {desired: desired, want: true},
		"changed there":                {there: &provision.Account{ExternalID: "x", CorrelationID: "c", UserName: "jiro", Active: true}, desired: desired, want: true},
		"changed by another hand":      {there: &provision.Account{ExternalID: "x", CorrelationID: "c", UserName: "taro"}, desired: desired, want: true},
		"looked at meanwhile":          {status: v1alpha1.AccountStatus{LastSync: metav1.NewTime(began.Add(time.Second))}, desired: desired},
		"failed":                       {status: v1alpha1.AccountStatus{State: v1alpha1.AccountFailed}, there: &there, desired: desired, want: true},
		"not to be":                    {there: &there, want: true},
		"not to be, and held":          {status: v1alpha1.AccountStatus{State: v1alpha1.AccountHeld}, there: &there},
		"not to be, in Entra ID":       {there: &there, entra: true},
		"failed to go, in Entra ID":    {status: v1alpha1.AccountStatus{State: v1alpha1.AccountFailed}, there: &there, entra: true},
		"not to be, asked for":         {there: &there, entra: true, request: "now", want: true},
		"changed there, in Entra ID":   {there: &provision.Account{ExternalID: "x", CorrelationID: "c"}, desired: desired, entra: true, want: true},
		"not to be, and not there":     {},
		"cannot be told for the while": {err: errNotYet, there: &there},
	} {
		t.Run(name, func(t *testing.T) {
			account := &v1alpha1.Account{Status: test.status}
			account.Status.ExternalID = "x"
			found := listing{began: began, accounts: map[string]provision.Account{}}
			if test.there != nil {
				found.accounts["x"] = *test.there
			}
			w := work{target: &v1alpha1.ProvisioningTarget{}, live: liveTarget{removal: provision.RemovalDelete}, request: test.request}
			if test.entra {
				w.target.Spec.EntraID = &v1alpha1.EntraID{}
			}
			k := &provisioningTargets{desired: func(context.Context, liveTarget, *v1alpha1.Account) (*provision.Desired, error) {
				return test.desired, test.err
			}}
			NewWithT(t).Expect(k.differs(t.Context(), w, account, found, "x")).To(Equal(test.want))
		})
	}
}
