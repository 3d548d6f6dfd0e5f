/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package status

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// thing is a resource with the least status that a report can write.
type thing struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Status            thingStatus `json:"status,omitempty"`
}

type thingStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Text               string             `json:"text,omitempty"`
}

func (o *thing) GetConditions() []metav1.Condition      { return o.Status.Conditions }
func (o *thing) SetConditions(c []metav1.Condition)     { o.Status.Conditions = c }
func (o *thing) GetStatus() any                         { return &o.Status }
func (o *thing) SetObservedGeneration(generation int64) { o.Status.ObservedGeneration = generation }
func (o *thing) condition(name string) *metav1.Condition {
	return meta.FindStatusCondition(o.Status.Conditions, name)
}
func (o *thing) DeepCopyObject() runtime.Object {
	copied := *o
	copied.Status.Conditions = append([]metav1.Condition(nil), o.Status.Conditions...)
	return &copied
}

func newThing() *thing {
	o := &thing{TypeMeta: metav1.TypeMeta{APIVersion: "identity.tegata.dev/v1alpha1", Kind: "Thing"}, ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "one", Generation: 3}}
	for _, name := range []string{"Ready", "Accepted", "ResolvedRefs", "Published"} {
		o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{
			Type: name, Status: metav1.ConditionUnknown, Reason: "Pending", Message: "Waiting for the operator.", LastTransitionTime: metav1.Unix(0, 0),
		})
	}
	return o
}

// verdict is what kstatus, and with it Flux and others, makes of the object.
func verdict(t *testing.T, o *thing) status.Status {
	t.Helper()
	g := NewWithT(t)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	g.Expect(err).NotTo(HaveOccurred())
	result, err := status.Compute(&unstructured.Unstructured{Object: content})
	g.Expect(err).NotTo(HaveOccurred())
	return result.Status
}

var (
	accepted  = Outcome{Condition: "Accepted", Reason: "Accepted", Message: "The spec is valid."}
	resolved  = Outcome{Condition: "ResolvedRefs", Reason: "ResolvedRefs", Message: "Everything exists."}
	published = Outcome{Condition: "Published", Reason: "Published", Message: "Live."}
)

func failing(condition string, verdict Verdict, reason string) Outcome {
	return Outcome{Condition: condition, Verdict: verdict, Reason: reason, Message: "Because of " + reason + ".", Err: errors.New(reason)}
}

func report(outcomes ...Outcome) *Report {
	r := NewReport("Accepted", "ResolvedRefs", "Published")
	for _, outcome := range outcomes {
		r.Add(outcome)
	}
	return r
}

func TestWrite(t *testing.T) {
	for name, test := range map[string]struct {
		outcomes []Outcome
		ready    metav1.ConditionStatus
		// reason is Ready's; extra is Reconciling or Stalled with its reason, or nothing.
		reason, extra, extraReason string
		steps                      [3]metav1.ConditionStatus
		kstatus                    status.Status
	}{
		"all done": {
			[]Outcome{accepted, resolved, published}, "True", "Published", "", "", [3]metav1.ConditionStatus{"True", "True", "True"}, status.CurrentStatus,
		},
		"order of adding does not matter": {
			[]Outcome{published, accepted, resolved}, "True", "Published", "", "", [3]metav1.ConditionStatus{"True", "True", "True"}, status.CurrentStatus,
		},
		"a person must act": {
			[]Outcome{failing("Accepted", UserMustAct, "InvalidSpec")}, "False", "InvalidSpec", Stalled, "InvalidSpec",
			[3]metav1.ConditionStatus{"False", "Unknown", "Unknown"}, status.FailedStatus,
		},
		"something else comes first": {
			[]Outcome{accepted, resolved, failing("Published", Waits, "TenantNotReady")}, "False", "TenantNotReady", Reconciling, "TenantNotReady",
			[3]metav1.ConditionStatus{"True", "True", "False"}, status.InProgressStatus,
		},
		"a transient failure": {
			[]Outcome{accepted, resolved, failing("Published", Retries, "Unavailable")}, "False", "Unavailable", Reconciling, ReasonProgressingWithRetry,
			[3]metav1.ConditionStatus{"True", "True", "False"}, status.InProgressStatus,
		},
		"a person before what waits earlier": {
			[]Outcome{failing("Accepted", Waits, "Slow"), resolved, failing("Published", UserMustAct, "Conflict")}, "False", "Conflict", Stalled, "Conflict",
			[3]metav1.ConditionStatus{"False", "True", "False"}, status.FailedStatus,
		},
		"a person before what is retried earlier": {
			[]Outcome{failing("Accepted", Retries, "Unavailable"), failing("ResolvedRefs", UserMustAct, "ReferenceNotFound")}, "False", "ReferenceNotFound", Stalled, "ReferenceNotFound",
			[3]metav1.ConditionStatus{"False", "False", "Unknown"}, status.FailedStatus,
		},
		"the first of two that need a person": {
			[]Outcome{failing("Published", UserMustAct, "Conflict"), failing("ResolvedRefs", UserMustAct, "ReferenceNotFound"), accepted}, "False", "ReferenceNotFound", Stalled, "ReferenceNotFound",
			[3]metav1.ConditionStatus{"True", "False", "False"}, status.FailedStatus,
		},
		"the first of two that wait": {
			[]Outcome{accepted, failing("ResolvedRefs", Waits, "First"), failing("Published", Retries, "Second")}, "False", "First", Reconciling, "First",
			[3]metav1.ConditionStatus{"True", "False", "False"}, status.InProgressStatus,
		},
		"a later fault beside a live object": {
			[]Outcome{failing("Accepted", UserMustAct, "InvalidSpec"), resolved, published}, "False", "InvalidSpec", Stalled, "InvalidSpec",
			[3]metav1.ConditionStatus{"False", "True", "True"}, status.FailedStatus,
		},
		"a later outcome of a step replaces the earlier": {
			[]Outcome{accepted, resolved, published, failing("Published", UserMustAct, "Conflict")}, "False", "Conflict", Stalled, "Conflict",
			[3]metav1.ConditionStatus{"True", "True", "False"}, status.FailedStatus,
		},
		"a step not tried is never ready": {
			[]Outcome{accepted}, "Unknown", ReasonNotEvaluated, Reconciling, ReasonNotEvaluated,
			[3]metav1.ConditionStatus{"True", "Unknown", "Unknown"}, status.InProgressStatus,
		},
		"nothing tried": {
			nil, "Unknown", ReasonNotEvaluated, Reconciling, ReasonNotEvaluated,
			[3]metav1.ConditionStatus{"Unknown", "Unknown", "Unknown"}, status.InProgressStatus,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newThing()
			g.Expect(verdict(t, o)).To(Equal(status.InProgressStatus), "as the API server defaults it")
			report(test.outcomes...).Write(o)

			ready := o.condition(Ready)
			g.Expect(ready.Status).To(Equal(test.ready))
			g.Expect(ready.Reason).To(Equal(test.reason))
			for i, step := range []string{"Accepted", "ResolvedRefs", "Published"} {
				g.Expect(o.condition(step).Status).To(Equal(test.steps[i]), step)
			}
			for _, extra := range []string{Reconciling, Stalled} {
				if extra != test.extra {
					g.Expect(o.condition(extra)).To(BeNil(), extra)
					continue
				}
				g.Expect(o.condition(extra).Status).To(Equal(metav1.ConditionTrue))
				g.Expect(o.condition(extra).Reason).To(Equal(test.extraReason))
				g.Expect(o.condition(extra).Message).To(Equal(ready.Message))
			}
			g.Expect(verdict(t, o)).To(Equal(test.kstatus))
			expectWellFormed(g, o)
		})
	}
}

// expectWellFormed checks what the API server and the conventions ask of every status.
func expectWellFormed(g *WithT, o *thing) {
	g.Expect(o.Status.ObservedGeneration).To(Equal(o.Generation))
	for _, condition := range o.Status.Conditions {
		g.Expect(condition.ObservedGeneration).To(Equal(o.Generation), condition.Type)
		g.Expect(condition.Reason).To(MatchRegexp(`^[A-Za-z]+$`), condition.Type)
		g.Expect(condition.Message).NotTo(BeEmpty(), condition.Type)
		g.Expect(condition.LastTransitionTime.IsZero()).To(BeFalse(), condition.Type)
	}
}

var everyOutcome = map[string]Outcome{
	"done": published, "waits": failing("Published", Waits, "TenantNotReady"),
	"must act": failing("Published", UserMustAct, "Conflict"), "retries": failing("Published", Retries, "Unavailable"),
}

func TestWriteFromAnyStateToAnyOther(t *testing.T) {
	for was, first := range everyOutcome {
		for is, second := range everyOutcome {
			t.Run(was+" then "+is, func(t *testing.T) {
				g := NewWithT(t)
				o, fresh := newThing(), newThing()
				report(accepted, resolved, first).Write(o)
				report(accepted, resolved, second).Write(o)
				report(accepted, resolved, second).Write(fresh)
				g.Expect(verdict(t, o)).To(Equal(verdict(t, fresh)), "the past leaves nothing behind")
				g.Expect(o.Status.Conditions).To(HaveLen(len(fresh.Status.Conditions)))
				g.Expect(o.condition(Reconciling) != nil && o.condition(Stalled) != nil).To(BeFalse(), "never both")
				expectWellFormed(g, o)
			})
		}
	}
}

func TestWriteIsStable(t *testing.T) {
	for name, outcome := range everyOutcome {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newThing()
			report(accepted, resolved, outcome).Write(o)
			// An hour passes.
			for i := range o.Status.Conditions {
				o.Status.Conditions[i].LastTransitionTime = metav1.NewTime(time.Now().Add(-time.Hour))
			}
			before, err := json.Marshal(o.Status)
			g.Expect(err).NotTo(HaveOccurred())
			report(accepted, resolved, outcome).Write(o)
			after, err := json.Marshal(o.Status)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(after)).To(Equal(string(before)))
		})
	}
}

func TestWriteKeepsForeignConditions(t *testing.T) {
	g := NewWithT(t)
	o := newThing()
	o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{Type: "example.com/Audited", Status: metav1.ConditionTrue, Reason: "Audited"})
	report(accepted, resolved, published).Write(o)
	g.Expect(o.condition("example.com/Audited")).NotTo(BeNil())
}

func TestWriteNewGeneration(t *testing.T) {
	g := NewWithT(t)
	o := newThing()
	report(accepted, resolved, published).Write(o)
	o.Generation++
	g.Expect(verdict(t, o)).To(Equal(status.InProgressStatus), "what was said of the old spec does not hold for the new")
	report(accepted, resolved, published).Write(o)
	g.Expect(verdict(t, o)).To(Equal(status.CurrentStatus))
	expectWellFormed(g, o)
}

func TestWriteTruncates(t *testing.T) {
	for name, message := range map[string]string{
		"at the limit":       strings.Repeat("a", maxMessageBytes),
		"one more":           strings.Repeat("a", maxMessageBytes+1),
		"very long":          strings.Repeat("a", 1<<20),
		"within a character": "a" + strings.Repeat("雪", maxMessageBytes/3+10),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newThing()
			report(Outcome{Condition: "Accepted", Verdict: UserMustAct, Reason: "InvalidSpec", Message: message}).Write(o)
			for _, condition := range []string{"Accepted", Ready, Stalled} {
				got := o.condition(condition).Message
				g.Expect(utf8.ValidString(got)).To(BeTrue())
				if len(message) <= maxMessageBytes {
					g.Expect(got).To(Equal(message))
					continue
				}
				g.Expect(got).To(HaveSuffix("…"))
				g.Expect(message).To(HavePrefix(strings.TrimSuffix(got, "…")))
				g.Expect(len(got)).To(BeNumerically("~", maxMessageBytes, 4))
			}
		})
	}
}

func TestAddTellsWhetherToGoOn(t *testing.T) {
	g := NewWithT(t)
	r := report()
	g.Expect(r.Evaluated("Published")).To(BeFalse())
	g.Expect(r.Add(published)).To(BeTrue())
	g.Expect(r.Evaluated("Published")).To(BeTrue())
	for name, outcome := range everyOutcome {
		g.Expect(r.Add(outcome)).To(Equal(outcome.Verdict == Done), name)
	}
}

func TestResult(t *testing.T) {
	g := NewWithT(t)
	for name, outcome := range everyOutcome {
		result, err := report(accepted, resolved, outcome).Result()
		g.Expect(result.IsZero()).To(BeTrue(), name)
		if outcome.Verdict == Retries {
			g.Expect(err).To(MatchError(outcome.Err), name)
		} else {
			g.Expect(err).NotTo(HaveOccurred(), name)
		}
	}
	r := report(accepted, resolved, published)
	for _, wait := range []time.Duration{0, -time.Second, time.Hour, time.Minute, 2 * time.Minute} {
		r.RequeueAfter(wait)
	}
	result, err := r.Result()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.RequeueAfter).To(Equal(time.Minute), "the shortest that lies ahead")

	r.Add(failing("Published", Retries, "Unavailable"))
	result, err = r.Result()
	g.Expect(err).To(HaveOccurred())
	g.Expect(result.IsZero()).To(BeTrue(), "the back-off decides")

	r.Add(Outcome{Condition: "Published", Verdict: Retries, Reason: "Unavailable", Message: "seen, not caught"})
	result, err = r.Result()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.RequeueAfter).To(Equal(time.Minute), "without a cause there is no back-off")
}
