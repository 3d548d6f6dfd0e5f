/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/admin"
)

const (
	// aboutTimeout bounds the question what serves.
	aboutTimeout = 5 * time.Second
	// callTimeout bounds every call, so that a server that takes calls and never
	// answers holds no worker, which other servers' objects need too. A question for
	// notices stays open for half of it, and publishing takes seconds.
	callTimeout = time.Minute
	// maxVersion is how long status.version may be.
	maxVersion = 64
)

// target names what is rolled out.
func target(image, version string) string {
	if version == "" || strings.HasSuffix(image, ":"+version) {
		return image
	}
	return fmt.Sprintf("%s (version %s)", image, version)
}

// observe reads how far the rollout is, connects to what serves, and finds out
// why where pods are not as declared.
func (l *Launcher) observe(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig, secured *trust, target string) (controllers.Serving, error) {
	workload := &appsv1.Deployment{}
	if err := l.uncached.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: workloadName(name.Name)}, workload); err != nil {
		return controllers.Serving{}, err
	}
	serving := controllers.Serving{Replicas: &workload.Status.ReadyReplicas, ServiceName: workloadName(name.Name)}
	if workload.Status.ReadyReplicas > 0 {
		if err := l.reach(ctx, name, workload, secured, &serving); err != nil {
			return serving, err
		}
	}
	if settled(workload, config.Deployment.Replicas) {
		return serving, nil
	}
	found := refused(workload)
	if found.text == "" {
		var err error
		if found, err = l.examine(ctx, name, secured); err != nil {
			return serving, err
		}
	}
	progress := fmt.Sprintf("%d of %d pods are up to date and ready", min(workload.Status.UpdatedReplicas, workload.Status.ReadyReplicas), config.Deployment.Replicas)
	if serving.Service != nil && !serving.Failing {
		progress += "; version " + cmp.Or(serving.Version, "unknown") + " serves meanwhile"
	}
	if found.failing || serving.Failing {
		serving.Waiting = strings.TrimSpace(fmt.Sprintf("%s Rolling out %s: %s.", cmp.Or(found.text, serving.Waiting), target, progress))
		serving.Failing = true
		return serving, nil
	}
	serving.Waiting = strings.TrimSpace(fmt.Sprintf("Rolling out %s: %s. %s", target, progress, found.text))
	return serving, nil
}

// reach connects to the pods that serve. One that is there and cannot serve
// stays known: what is published to it is tried again until it can.
func (l *Launcher) reach(ctx context.Context, name types.NamespacedName, workload *appsv1.Deployment, secured *trust, serving *controllers.Serving) error {
	service := &corev1.Service{}
	if err := l.uncached.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: adminName(name.Name)}, service); err != nil {
		return err
	}
	connected := l.connect(name, "https://"+joinPort(service.Spec.ClusterIP, adminPort), settledImage(workload), secured)
	asking, cancel := context.WithTimeout(ctx, aboutTimeout)
	defer cancel()
	about, err := connected.service.About(asking)
	unavailable, isUnavailable := errors.AsType[*admin.UnavailableError](err)
	switch {
	case isUnavailable:
		serving.Waiting, serving.Failing = fmt.Sprintf("The server runs, but cannot serve: %s.", clean(unavailable.Reason)), true
	case err != nil:
		return fmt.Errorf("the server runs, but its admin API does not answer: %w", err)
	default:
		l.noteVersion(connected, about.Version)
	}
	serving.Service, serving.Version = connected.service, l.known(name).Version
	return nil
}

func (l *Launcher) noteVersion(connected *connection, version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	connected.version = strings.ToValidUTF8(version[:min(len(version), maxVersion)], "")
}

// settled reports whether a Deployment is as declared.
func settled(workload *appsv1.Deployment, replicas int32) bool {
	status := workload.Status
	return status.ObservedGeneration >= workload.Generation && status.UpdatedReplicas == replicas &&
		status.ReadyReplicas == replicas && status.Replicas == replicas
}

// refused tells why the cluster lets no pods be made, if so.
func refused(workload *appsv1.Deployment) finding {
	for _, condition := range workload.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return finding{text: fmt.Sprintf("Pods cannot be made: %s.", clean(condition.Message)), failing: true}
		}
	}
	return finding{}
}

// settledImage is the image that all pods run, empty where they differ.
func settledImage(workload *appsv1.Deployment) string {
	status := workload.Status
	if status.ObservedGeneration < workload.Generation || status.UpdatedReplicas != status.Replicas {
		return ""
	}
	for _, container := range workload.Spec.Template.Spec.Containers {
		if container.Name == containerName {
			return container.Image
		}
	}
	return ""
}

// connect keeps one client for a server until its address, its certificates or
// its version change. A new version gets everything published again, as a pod
// of the old one may have taken what it only half understood.
func (l *Launcher) connect(name types.NamespacedName, address, image string, secured *trust) *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.running[name]; old != nil {
		if old.address == address && (image == "" || image == old.image) && old.trust.same(secured) {
			return old
		}
		old.http.CloseIdleConnections()
	}
	httpClient := &http.Client{Transport: l.transport(name, secured), Timeout: callTimeout}
	l.running[name] = &connection{service: admin.NewClient(address, httpClient), http: httpClient, address: address, image: image, trust: secured}
	return l.running[name]
}

// silence is how long a server may say nothing before it is asked for a sign of life.
const silence = 10 * time.Second

func (l *Launcher) transport(name types.NamespacedName, secured *trust) *http.Transport {
	return &http.Transport{
		DialContext: l.options.DialContext, TLSClientConfig: secured.tlsConfig(adminHost(name)),
		ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		// A pod or its node may go without a word. Calls have no limit of their own, as the length of a batch is not
		// known, so the connection has to notice; the kernel would take a quarter of an hour.
		HTTP2: &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence / 2},
	}
}
