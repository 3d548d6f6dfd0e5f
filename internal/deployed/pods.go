/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/internal/admin"
)

const (
	// revisionLabel is the ReplicaSet's mark on its pods.
	revisionLabel = "pod-template-hash"
	// startTime is how long a pod that merely starts is no failure, and prepareTime
	// how long its image may be pulled and its volumes be mounted.
	startTime   = 15 * time.Second
	prepareTime = 2 * time.Minute
	// podTimeout bounds the question to one pod.
	podTimeout = 3 * time.Second
	// maxQuote bounds what is quoted of others' messages, in characters.
	maxQuote = 400
)

// finding is what keeps a pod from serving; its text is empty where nothing does.
type finding struct {
	// text says what to do; whole sentences.
	text string
	// failing tells it from a pod that merely starts.
	failing bool
	// ask is set where the pod runs, so that it can say more itself.
	ask *corev1.Pod
}

// examine tells the worst of what the server's pods wait for; those of the
// newest revision come first, as the others are on their way out.
func (l *Launcher) examine(ctx context.Context, name types.NamespacedName, secured *trust) (finding, error) {
	pods := &corev1.PodList{}
	err := l.uncached.List(ctx, pods, client.InNamespace(name.Namespace), client.MatchingLabels(selector(name.Name).MatchLabels))
	if err != nil {
		return finding{}, fmt.Errorf("list the server's pods: %w", err)
	}
	found := worst(pods.Items, l.options.Now())
	if found.ask == nil {
		return found, nil
	}
	return l.ask(ctx, name, secured, found), nil
}

func worst(pods []corev1.Pod, now time.Time) finding {
	if len(pods) == 0 {
		return finding{}
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	newest := pods[0].Labels[revisionLabel]
	rank := func(pod *corev1.Pod, found finding) int {
		switch {
		case found.text == "":
			return 4
		case pod.Labels[revisionLabel] != newest:
			return 3
		case !found.failing:
			return 2
		default:
			return 1
		}
	}
	best, bestRank := finding{}, 4
	for i := range pods {
		found := inspect(&pods[i], now)
		if r := rank(&pods[i], found); r < bestRank {
			best, bestRank = found, r
		}
	}
	return best
}

// inspect tells what keeps one pod from serving, as far as its status shows.
func inspect(pod *corev1.Pod, now time.Time) finding {
	unready, started := condition(pod, corev1.PodReady, corev1.ConditionTrue) == nil, pod.CreationTimestamp.Time
	switch {
	case !unready, pod.DeletionTimestamp != nil, pod.Status.Phase == corev1.PodSucceeded:
		return finding{}
	case pod.Status.Phase == corev1.PodFailed:
		return finding{text: fmt.Sprintf("Pod %s ended and is replaced (%s): %s.", pod.Name, cmp.Or(pod.Status.Reason, "Failed"), clean(pod.Status.Message))}
	}
	if unscheduled := condition(pod, corev1.PodScheduled, corev1.ConditionFalse); unscheduled != nil {
		return finding{
			text:    fmt.Sprintf("Pod %s finds no node: %s. Make room, or correct spec.deployment.podTemplate or spec.storage.", pod.Name, clean(unscheduled.Message)),
			failing: now.Sub(unscheduled.LastTransitionTime.Time) > startTime,
		}
	}
	for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if found := inspectContainer(pod, container, now); found.text != "" {
			return found
		}
	}
	return finding{
		text:    fmt.Sprintf("Pod %s is being started; `kubectl -n %s describe pod %s` says what it waits for.", pod.Name, pod.Namespace, pod.Name),
		failing: now.Sub(started) > prepareTime,
	}
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType, status corev1.ConditionStatus) *corev1.PodCondition {
	for i, c := range pod.Status.Conditions {
		if c.Type == kind && c.Status == status {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// inspectContainer finds nothing in a container that is ready, is done, or
// waits for its turn.
func inspectContainer(pod *corev1.Pod, container corev1.ContainerStatus, now time.Time) finding {
	state, last := container.State, container.LastTerminationState.Terminated
	switch {
	case container.Ready:
		return finding{}
	case state.Terminated != nil && state.Terminated.ExitCode == 0:
		return finding{}
	case state.Terminated != nil:
		return crashed(pod, container.Name, state.Terminated)
	case state.Waiting != nil && last != nil && state.Waiting.Reason == "CrashLoopBackOff":
		return crashed(pod, container.Name, last)
	case state.Waiting != nil:
		return waits(pod, container, state.Waiting)
	case state.Running == nil:
		return finding{}
	}
	found := finding{
		text:    fmt.Sprintf("Container %s of pod %s runs and is not ready.", container.Name, pod.Name),
		failing: last != nil || now.Sub(state.Running.StartedAt.Time) > startTime,
	}
	if last != nil {
		found = crashed(pod, container.Name, last)
	}
	if container.Name == containerName {
		found.ask = pod
	}
	return found
}

// waits tells what a container that does not start waits for.
func waits(pod *corev1.Pod, container corev1.ContainerStatus, waiting *corev1.ContainerStateWaiting) finding {
	switch waiting.Reason {
	case "", "ContainerCreating", "PodInitializing", "CrashLoopBackOff":
		return finding{}
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		return finding{failing: true, text: fmt.Sprintf(
			"Image %s of pod %s cannot be pulled (%s): %s. Correct spec.deployment, or add imagePullSecrets to its podTemplate.",
			container.Image, pod.Name, waiting.Reason, clean(waiting.Message))}
	}
	return finding{failing: true, text: fmt.Sprintf("Container %s of pod %s cannot be started (%s): %s. Mend what that names.",
		container.Name, pod.Name, waiting.Reason, clean(waiting.Message))}
}

// crashed tells why a container ended. What containers say that are not ours
// may hold anything, so it is not quoted.
func crashed(pod *corev1.Pod, container string, ended *corev1.ContainerStateTerminated) finding {
	if ended.Reason == "OOMKilled" {
		return finding{failing: true, text: fmt.Sprintf(
			"Container %s of pod %s ran out of memory (OOMKilled): raise its resources.limits.memory in spec.deployment.podTemplate.", container, pod.Name)}
	}
	why := ""
	if container == containerName {
		why = cause(ended.Message)
	}
	if why = clean(why); why == "" {
		why = fmt.Sprintf("see `kubectl -n %s logs %s -c %s --previous`", pod.Namespace, pod.Name, container)
	}
	return finding{failing: true, text: fmt.Sprintf("Container %s of pod %s crashes (exit code %d): %s.", container, pod.Name, ended.ExitCode, why)}
}

// cause is the line of tegata-idp's last ones that says why it ended.
func cause(message string) string {
	lines := strings.Split(strings.TrimSpace(message), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	last := lines[len(lines)-1]
	entry := struct {
		Message string `json:"msg"`
		Error   string `json:"err"`
	}{}
	if json.Unmarshal([]byte(last), &entry) == nil {
		return cmp.Or(entry.Error, entry.Message)
	}
	return strings.TrimPrefix(last, "tegata-idp: ")
}

// clean makes one bounded line, without the full stop, of what others wrote.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(text); len(runes) > maxQuote {
		text = string(runes[:maxQuote]) + "…"
	}
	return strings.TrimRight(text, ".")
}

// ask lets the pod itself say why it is not ready.
func (l *Launcher) ask(ctx context.Context, name types.NamespacedName, secured *trust, found finding) finding {
	pod := found.ask
	if pod.Status.PodIP == "" {
		return found
	}
	transport := l.transport(name, secured)
	defer transport.CloseIdleConnections()
	asking, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	_, err := admin.NewClient("https://"+joinPort(pod.Status.PodIP, adminPort), &http.Client{Transport: transport}).About(asking)
	unavailable, isUnavailable := errors.AsType[*admin.UnavailableError](err)
	switch {
	case isUnavailable:
		found.text = fmt.Sprintf("Pod %s cannot serve: %s.", pod.Name, clean(unavailable.Reason))
	case err == nil:
		return finding{text: fmt.Sprintf("Pod %s can serve, and its readiness probe has not seen so yet.", pod.Name)}
	default:
		found.text = fmt.Sprintf("%s It does not answer the operator: %s.", found.text, clean(err.Error()))
	}
	return found
}
