/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
)

// TestPodsSayWhyTheyDoNotServe follows a server from a pod that crashes over
// one without its database to one that serves, as the condition tells it.
func TestPodsSayWhyTheyDoNotServe(t *testing.T) {
	p := newNamespace(t)
	server := p.deployedServer()
	p.create(server)
	p.Expect(p.waiting(server, v1alpha1.RollingOutReason)).To(ContainSubstring("Rolling out registry.example/tegata-idp:test: 0 of 1 pods"))
	workload := &appsv1.Deployment{ObjectMeta: p.meta("id-idp")}
	p.refresh(workload)

	pod := &corev1.Pod{ObjectMeta: p.meta("id-idp-5d4c-x"), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "idp", Image: "registry.example/tegata-idp:test"}}}}
	pod.Labels = workload.Spec.Template.Labels
	p.create(pod)
	p.podStatus(pod, corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "idp", RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Message: "tegata-idp: --key-file: the key is short\n"}},
	}}})
	p.workloadStatus(workload, 0)
	p.Expect(p.waiting(server, v1alpha1.StartFailedReason)).To(And(
		ContainSubstring("pod id-idp-5d4c-x crashes (exit code 2): --key-file: the key is short."), ContainSubstring("0 of 1 pods")))

	p.serveUnavailable("10.9.8.7", "schema version 999, newer than version 3")
	p.podStatus(pod, corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.9.8.7", PodIPs: []corev1.PodIP{{IP: "10.9.8.7"}}, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "idp", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Now().Add(-time.Hour))}},
	}}})
	// Nothing tells the operator of pods: it looks again by itself.
	p.Eventually(func() string { return p.waiting(server, v1alpha1.StartFailedReason) }, patience, glance).Should(
		ContainSubstring("Pod id-idp-5d4c-x cannot serve: schema version 999, newer than version 3."))
	p.Expect(server.Status.Version).To(BeEmpty())

	p.remove(pod)
	p.runPod(workload)
	p.current(server)
	p.Expect(server.Status.Version).To(Equal("v0.9"), "what the pod says")
	p.change(server, func() { server.Spec.Deployment.Image = "registry.example/tegata-idp:next" })
	p.Expect(p.waiting(server, v1alpha1.RollingOutReason)).To(And(
		ContainSubstring("Rolling out registry.example/tegata-idp:next"), ContainSubstring("version v0.9 serves meanwhile")))
	p.Expect(server.Status.Version).To(Equal("v0.9"))
}

func (p *place) podStatus(pod *corev1.Pod, status corev1.PodStatus) {
	p.t.Helper()
	p.refresh(pod)
	before := pod.DeepCopy()
	pod.Status = status
	p.Expect(p.k8s.Status().Patch(ctx, pod, client.MergeFrom(before))).To(Succeed())
}

func (p *place) workloadStatus(workload *appsv1.Deployment, ready int32) {
	p.t.Helper()
	p.refresh(workload)
	before := workload.DeepCopy()
	workload.Status = appsv1.DeploymentStatus{ObservedGeneration: workload.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: ready, AvailableReplicas: ready}
	p.Expect(p.k8s.Status().Patch(ctx, workload, client.MergeFrom(before))).To(Succeed())
}

// serveUnavailable is a pod that waits for its database.
func (p *place) serveUnavailable(address, reason string) {
	p.t.Helper()
	listener := p.listenAdmin(admin.NewUnavailableHandler(func() string { return reason }))
	pods.Store(net.JoinHostPort(address, "8443"), listener)
}

// listenAdmin serves with the certificates that the pods mount until the test
// ends, and returns the address.
func (p *place) listenAdmin(handler http.Handler) string {
	p.t.Helper()
	secret := &corev1.Secret{ObjectMeta: p.meta("id-idp-admin-server")}
	p.refresh(secret)
	certificate := must(tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]))
	clients := x509.NewCertPool()
	p.Expect(clients.AppendCertsFromPEM(secret.Data["ca.crt"])).To(BeTrue())
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Second,
		TLSConfig: admin.ServerTLSConfig(func() (*tls.Certificate, error) { return &certificate, nil }, clients),
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	p.t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}
