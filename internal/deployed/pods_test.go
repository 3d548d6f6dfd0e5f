/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is one of the revision, made a quarter of an hour before now where that
// is not told otherwise.
func pod(revision string, created time.Time, change ...func(*corev1.Pod)) *corev1.Pod {
	made := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "acme", Name: "id-idp-" + revision + "-x", Labels: labels("id"), CreationTimestamp: metav1.NewTime(created.Add(-15 * time.Minute)),
	}}
	made.Labels[revisionLabel] = revision
	made.Status.Phase = corev1.PodRunning
	for _, c := range change {
		c(made)
	}
	return made
}

func ready(p *corev1.Pod) {
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
}

// running is a pod whose server has run for so long and is not ready.
func running(since time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.PodIP = "10.1.0.1"
		container("idp", corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-since))}}, nil)(p)
	}
}

func container(name string, state corev1.ContainerState, last *corev1.ContainerStateTerminated) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, Image: "r/idp:1", State: state, LastTerminationState: corev1.ContainerState{Terminated: last}})
	}
}

func waitsFor(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func TestInspect(t *testing.T) {
	ended := func(code int32, reason, message string) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}
	}
	unscheduled := func(since time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable",
				Message: "0/3 nodes are available:\n 3 Insufficient cpu.", LastTransitionTime: metav1.NewTime(now.Add(-since))}}
		}
	}
	back := waitsFor("CrashLoopBackOff", "back-off 5m0s restarting failed container")
	for name, test := range map[string]struct {
		change  func(*corev1.Pod)
		want    string
		failing bool
	}{
		"ready":            {ready, "", false},
		"ends":             {func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} }, "", false},
		"no node yet":      {unscheduled(time.Second), "Pod id-idp-a-x finds no node: 0/3 nodes are available: 3 Insufficient cpu. Make room", false},
		"no node":          {unscheduled(time.Minute), "Pod id-idp-a-x finds no node", true},
		"evicted":          {func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }, "ended and is replaced (Evicted)", false},
		"nothing told":     {func(*corev1.Pod) {}, "is being started; `kubectl -n acme describe pod id-idp-a-x`", true},
		"only just made":   {func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(now.Add(-time.Minute)) }, "is being started", false},
		"volumes":          {container("idp", waitsFor("ContainerCreating", ""), nil), "is being started", true},
		"image":            {container("idp", waitsFor("ImagePullBackOff", `Back-off pulling image "r/idp:1": not found`), nil), `Image r/idp:1 of pod id-idp-a-x cannot be pulled (ImagePullBackOff): Back-off pulling image "r/idp:1": not found. Correct spec.deployment`, true},
		"key of a Secret":  {container("idp", waitsFor("CreateContainerConfigError", "couldn't find key username in Secret acme/smtp"), nil), "(CreateContainerConfigError): couldn't find key username in Secret acme/smtp. Mend", true},
		"wrong flag":       {container("idp", back, ended(2, "Error", "tegata-idp: --key-file: /etc/key holds neither\n")), "crashes (exit code 2): --key-file: /etc/key holds neither.", true},
		"between restarts": {container("idp", corev1.ContainerState{Terminated: ended(1, "Error", `{"level":"INFO","msg":"x"}`+"\n"+`{"level":"ERROR","msg":"Stopped by an error","err":"listen for browsers: in use"}`)}, nil), "crashes (exit code 1): listen for browsers: in use.", true},
		"panic":            {container("idp", back, ended(2, "Error", "panic: oh no\n\ngoroutine 1 [running]:\nmain.main()")), "panic: oh no.", true},
		"no word":          {container("idp", back, ended(137, "Error", "")), "crashes (exit code 137): see `kubectl -n acme logs id-idp-a-x -c idp --previous`.", true},
		"another's word":   {container("sidecar", back, ended(1, "Error", "token=s3cret")), "Container sidecar of pod id-idp-a-x crashes (exit code 1): see", true},
		"memory":           {container("idp", back, ended(137, "OOMKilled", "")), "ran out of memory (OOMKilled): raise its resources.limits.memory", true},
		"init is done": {func(p *corev1.Pod) {
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "init", State: corev1.ContainerState{Terminated: ended(0, "Completed", "")}}}
			running(time.Second)(p)
		}, "Container idp of pod id-idp-a-x runs and is not ready.", false},
		"init": {func(p *corev1.Pod) {
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "init", State: corev1.ContainerState{Terminated: ended(1, "Error", "")}}}
			container("idp", waitsFor("PodInitializing", ""), nil)(p)
		}, "Container init of pod", true},
		"starts":         {running(time.Second), "runs and is not ready", false},
		"does not start": {running(time.Minute), "runs and is not ready", true},
		"started again": {func(p *corev1.Pod) {
			running(time.Second)(p)
			p.Status.ContainerStatuses[0].LastTerminationState.Terminated = ended(2, "Error", "tegata-idp: why")
		}, "crashes (exit code 2): why.", true},
		"long word": {container("idp", back, ended(1, "Error", strings.Repeat("長い", 1000)+"\x1b[31m")), "…", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found := inspect(pod("a", now, test.change), now)
			g.Expect(found.text).To(ContainSubstring(test.want))
			g.Expect(found.text == "").To(Equal(test.want == ""))
			g.Expect(found.failing).To(Equal(test.failing))
			g.Expect(found.text).NotTo(Or(ContainSubstring("\n"), ContainSubstring("s3cret"), ContainSubstring("\x1b")))
			g.Expect([]rune(found.text)).To(HaveLen(min(len([]rune(found.text)), maxQuote+200)))
		})
	}
}

func TestWorstIsOfTheNewestRevision(t *testing.T) {
	crash := container("idp", waitsFor("CrashLoopBackOff", ""), &corev1.ContainerStateTerminated{ExitCode: 2, Message: "tegata-idp: why"})
	later := now.Add(10 * time.Minute)
	for name, test := range map[string]struct {
		pods []corev1.Pod
		want string
	}{
		"none":                     {nil, ""},
		"all are well":             {[]corev1.Pod{*pod("a", now, ready), *pod("b", later, ready)}, ""},
		"a failure before a start": {[]corev1.Pod{*pod("b", later, running(time.Second)), *pod("b", later, crash)}, "crashes"},
		"the new before the old":   {[]corev1.Pod{*pod("a", now, crash), *pod("b", later, running(time.Second))}, "pod id-idp-b-x runs"},
		"the old where none else":  {[]corev1.Pod{*pod("a", now, crash), *pod("b", later, ready)}, "pod id-idp-a-x crashes"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found := worst(test.pods, now)
			g.Expect(found.text).To(ContainSubstring(test.want))
			g.Expect(found.text == "").To(Equal(test.want == ""))
		})
	}
}
