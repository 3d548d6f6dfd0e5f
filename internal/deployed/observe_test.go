/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/internal/admin"
)

// saying is a server that only says what it is.
type saying struct {
	admin.Service
	version string
	err     error
}

func (s saying) About(context.Context) (admin.About, error) {
	return admin.About{Version: s.version}, s.err
}

// network is what answers at each address.
type network map[string]http.Handler

// open makes the launcher reach the network, with the certificate of the Secret
// that pods mount.
func (n network) open(t *testing.T, l *Launcher) {
	t.Helper()
	l.options.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		handler, ok := n[address]
		if !ok {
			return nil, errors.New("no route to host")
		}
		secret := secretOf(t, l, serverSecretName("id"))
		pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		if err != nil {
			return nil, err
		}
		clients := x509.NewCertPool()
		clients.AppendCertsFromPEM(secret.Data[authorityCertificate])
		running := httptest.NewUnstartedServer(handler)
		running.TLS = admin.ServerTLSConfig(func() (*tls.Certificate, error) { return &pair, nil }, clients)
		running.StartTLS()
		t.Cleanup(running.Close)
		return (&net.Dialer{}).DialContext(ctx, "tcp", running.Listener.Addr().String())
	}
}

func TestObserve(t *testing.T) {
	const behindService, behindPod = "10.0.0.1:8443", "10.1.0.1:8443"
	serves := admin.NewHandler(saying{version: strings.Repeat("v1.2.3-", 20)})
	version := strings.Repeat("v1.2.3-", 20)[:64]
	stuck := admin.NewUnavailableHandler(func() string { return "the database\nis away." })
	refusal := appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota"}
	for name, test := range map[string]struct {
		status  appsv1.DeploymentStatus
		pod     func(*corev1.Pod)
		network network
		waiting string
		failing bool
		version string
		serving bool
		err     string
	}{
		"as declared": {
			status:  appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3},
			network: network{behindService: serves}, version: version, serving: true,
		},
		"as declared and without its database": {
			status:  appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3},
			network: network{behindService: stuck}, serving: true, failing: true,
			waiting: "The server runs, but cannot serve: the database is away.",
		},
		"not reached": {
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3},
			err:    "admin API does not answer",
		},
		"not seen yet": {
			status:  appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3},
			network: network{behindService: serves}, version: version, serving: true,
			waiting: "Rolling out tegata-idp:2: 3 of 3 pods are up to date and ready; version " + version + " serves meanwhile.",
		},
		"the old one ends": {
			status:  appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 3, ReadyReplicas: 4},
			network: network{behindService: serves}, version: version, serving: true,
			waiting: "Rolling out tegata-idp:2: 3 of 3 pods are up to date and ready; version " + version + " serves meanwhile.",
		},
		"first start": {
			status:  appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3},
			waiting: "Rolling out tegata-idp:2: 0 of 3 pods are up to date and ready.",
		},
		"no pods are let be": {
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Conditions: []appsv1.DeploymentCondition{refusal}}, failing: true,
			waiting: "Pods cannot be made: exceeded quota. Rolling out tegata-idp:2: 0 of 3 pods are up to date and ready.",
		},
		"the new pod says why": {
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 1, ReadyReplicas: 3}, pod: running(time.Minute),
			network: network{behindService: serves, behindPod: stuck}, version: version, serving: true, failing: true,
			waiting: "Pod id-idp-b-x cannot serve: the database is away. Rolling out tegata-idp:2: 1 of 3 pods are up to date and ready; version " + version + " serves meanwhile.",
		},
		"a pod that has only just started": {
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3}, pod: running(time.Second),
			network: network{behindPod: stuck},
			waiting: "Rolling out tegata-idp:2: 0 of 3 pods are up to date and ready. Pod id-idp-b-x cannot serve: the database is away.",
		},
		"a pod whose probe comes late": {
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3}, pod: running(time.Minute),
			network: network{behindPod: serves},
			waiting: "Rolling out tegata-idp:2: 0 of 3 pods are up to date and ready. Pod id-idp-b-x can serve, and its readiness probe has not seen so yet.",
		},
		"a pod behind a network policy": {
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3}, pod: running(time.Minute), failing: true,
			waiting: "Container idp of pod id-idp-b-x runs and is not ready. It does not answer the operator: the IdP cannot be reached: " +
				`Post "https://10.1.0.1:8443/admin/v1/about": no route to host. Rolling out tegata-idp:2: 0 of 3 pods are up to date and ready.`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			workload := made(postgres())["Deployment id-idp"].(*appsv1.Deployment)
			workload.Generation, workload.Status = 2, test.status
			existing := []client.Object{workload, &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: adminName("id")}, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1"}}}
			if test.pod != nil {
				existing = append(existing, pod("b", now, test.pod))
			}
			clock := time.Now()
			l := launcher(t, &clock, existing...)
			secured, err := l.ensureTrust(t.Context(), server, sqlite().Deployment.Owner)
			g.Expect(err).NotTo(HaveOccurred())
			test.network.open(t, l)
			clock = now
			serving, err := l.observe(t.Context(), server, postgres(), secured, "tegata-idp:2")
			if test.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(serving.Waiting).To(Equal(test.waiting))
			g.Expect(serving.Failing).To(Equal(test.failing))
			g.Expect(serving.Version).To(Equal(test.version))
			g.Expect(serving.Service != nil).To(Equal(test.serving))
			g.Expect(l.Stop(t.Context(), server)).To(Succeed())
		})
	}
}

func TestTarget(t *testing.T) {
	for want, of := range map[string][2]string{
		"r/idp:v1": {"r/idp:v1", "v1"}, "r/idp@sha256:0 (version v1)": {"r/idp@sha256:0", "v1"}, "own/idp": {"own/idp", ""},
	} {
		NewWithT(t).Expect(target(of[0], of[1])).To(Equal(want))
	}
}

func TestSettledImage(t *testing.T) {
	for name, test := range map[string]struct {
		status  appsv1.DeploymentStatus
		settled bool
	}{
		"as declared":  {appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3}, true},
		"not seen yet": {appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 3, UpdatedReplicas: 3}, false},
		"mixed":        {appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 1}, false},
	} {
		workload := made(postgres())["Deployment id-idp"].(*appsv1.Deployment)
		workload.Generation, workload.Status = 2, test.status
		NewWithT(t).Expect(settledImage(workload) != "").To(Equal(test.settled), name)
	}
}
