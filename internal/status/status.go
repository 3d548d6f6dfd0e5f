/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package status turns the outcomes of a reconcile's steps into conditions,
// and writes them once, only where they changed.
//
// The conditions follow kstatus and the Gateway API: a summary Ready and one
// positive condition for each step, always present; Reconciling and Stalled
// only while True, never both; observedGeneration on the root and on each
// condition, bumped at the end of every completed attempt.
package status

import (
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The condition types that every kind shares.
const (
	Ready       = "Ready"
	Reconciling = "Reconciling"
	Stalled     = "Stalled"

	// ReasonNotEvaluated marks a step that was not tried because an earlier one failed.
	ReasonNotEvaluated = "NotEvaluated"
	// ReasonProgressingWithRetry is kstatus's reason for a retried failure.
	ReasonProgressingWithRetry = "ProgressingWithRetry"

	notEvaluatedMessage = "An earlier condition has to be met first."
	// maxMessageBytes keeps a condition readable; the API server takes 32 KiB.
	maxMessageBytes = 2048
)

// Object is a resource whose status the report can write.
type Object interface {
	client.Object
	// GetConditions returns the conditions as they are.
	GetConditions() []metav1.Condition
	// SetConditions replaces them.
	SetConditions(conditions []metav1.Condition)
	// GetStatus returns a pointer to the whole status.
	GetStatus() any
	// SetObservedGeneration sets the root's observedGeneration.
	SetObservedGeneration(generation int64)
}

// Verdict says what a step's outcome asks for.
type Verdict int

// The verdicts.
const (
	// Done: the step holds; its condition is True.
	Done Verdict = iota
	// Waits: something else must change first, and its watch will wake us.
	Waits
	// UserMustAct: only a person can help, and the watch on what they change will wake us.
	UserMustAct
	// Retries: a transient failure, tried again with growing waits.
	Retries
)

// condition is the type of the condition that goes with the verdict, "" for none.
func (v Verdict) condition() string {
	switch v {
	case Waits, Retries:
		return Reconciling
	case UserMustAct:
		return Stalled
	case Done:
	}
	return ""
}

// Outcome is the result of one step.
type Outcome struct {
	// Condition is the step's condition type; that of the last step where empty.
	Condition string
	Verdict   Verdict
	// Reason is a CamelCase constant.
	Reason string
	// Message is one stable sentence that says what to do.
	Message string
	// Err is the cause of a Retries, for the log and the back-off; nil is tried
	// again after the wait that the report asks for.
	Err error
}

// Report collects the outcomes of one attempt.
type Report struct {
	steps    []string
	outcomes map[string]Outcome
	after    time.Duration
}

// NewReport expects an outcome for each step's condition, in this order.
func NewReport(steps ...string) *Report {
	return &Report{steps: steps, outcomes: map[string]Outcome{}}
}

// Add records an outcome and reports whether the next step may be tried.
func (r *Report) Add(outcome Outcome) bool {
	if outcome.Condition == "" {
		outcome.Condition = r.steps[len(r.steps)-1]
	}
	r.outcomes[outcome.Condition] = outcome
	return outcome.Verdict == Done
}

// Evaluated reports whether an outcome for the condition was added.
func (r *Report) Evaluated(condition string) bool {
	_, evaluated := r.outcomes[condition]
	return evaluated
}

// Outcome is what was added last for the condition; zero where nothing was.
func (r *Report) Outcome(condition string) Outcome { return r.outcomes[condition] }

// Waits reports whether the condition's step waits for something else.
func (r *Report) Waits(condition string) bool { return r.outcomes[condition].Verdict == Waits }

// RequeueAfter asks for another look after d, the shortest asked for.
func (r *Report) RequeueAfter(d time.Duration) {
	if d > 0 && (r.after == 0 || d < r.after) {
		r.after = d
	}
}

// Result is what the reconcile returns: an error for a transient failure, so
// that the back-off grows, and the asked wait otherwise.
func (r *Report) Result() (ctrl.Result, error) {
	for _, step := range r.steps {
		if outcome := r.outcomes[step]; outcome.Verdict == Retries && outcome.Err != nil {
			return ctrl.Result{}, outcome.Err
		}
	}
	return ctrl.Result{RequeueAfter: r.after}, nil
}

// Outdated reports whether the attempt worked on an object that has changed
// meanwhile: nothing of it is worth telling.
func (r *Report) Outdated() bool {
	for _, outcome := range r.outcomes {
		if apierrors.IsConflict(outcome.Err) {
			return true
		}
	}
	return false
}

// Write sets the object's conditions and observedGeneration from the outcomes.
func (r *Report) Write(object Object) {
	conditions := slices.Clone(object.GetConditions())
	generation := object.GetGeneration()
	set := func(conditionType string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&conditions, metav1.Condition{
			Type: conditionType, Status: status, Reason: reason,
			Message: truncate(message), ObservedGeneration: generation,
		})
	}
	summary := r.summary()
	set(Ready, conditionStatus(summary), summary.Reason, summary.Message)
	for _, step := range r.steps {
		if outcome, evaluated := r.outcomes[step]; evaluated {
			set(step, conditionStatus(outcome), outcome.Reason, outcome.Message)
		} else {
			set(step, metav1.ConditionUnknown, ReasonNotEvaluated, notEvaluatedMessage)
		}
	}
	// Only the one that no longer holds is removed: the other keeps the time since when it does.
	for _, other := range []string{Reconciling, Stalled} {
		if other != summary.Verdict.condition() {
			meta.RemoveStatusCondition(&conditions, other)
		}
	}
	switch summary.Verdict {
	case Waits:
		set(Reconciling, metav1.ConditionTrue, summary.Reason, summary.Message)
	case Retries:
		set(Reconciling, metav1.ConditionTrue, ReasonProgressingWithRetry, summary.Message)
	case UserMustAct:
		set(Stalled, metav1.ConditionTrue, summary.Reason, summary.Message)
	case Done:
	}
	object.SetConditions(conditions)
	object.SetObservedGeneration(generation)
}

// summary is the first outcome, in the order of the steps, that is not Done;
// a failure that needs a person comes before one that merely waits. All must be
// Done for it to be so: a step that was not tried is waited for.
func (r *Report) summary() Outcome {
	var waiting, done Outcome
	untried := false
	for _, step := range r.steps {
		outcome, evaluated := r.outcomes[step]
		switch {
		case !evaluated:
			untried = true
		case outcome.Verdict == UserMustAct:
			return outcome
		case outcome.Verdict != Done && waiting.Condition == "":
			waiting = outcome
		case outcome.Verdict == Done:
			done = outcome
		}
	}
	switch {
	case waiting.Condition != "":
		return waiting
	case untried:
		return Outcome{Verdict: Waits, Reason: ReasonNotEvaluated, Message: notEvaluatedMessage}
	default:
		return done
	}
}

func conditionStatus(outcome Outcome) metav1.ConditionStatus {
	switch {
	case outcome.Verdict == Done:
		return metav1.ConditionTrue
	case outcome.Condition == "":
		return metav1.ConditionUnknown
	default:
		return metav1.ConditionFalse
	}
}

func truncate(message string) string {
	if len(message) <= maxMessageBytes {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessageBytes], "") + "…"
}
