/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp"
)

// pods are what stands for the pods behind a Service: no kubelet runs here, so
// the test is the node. The addresses are those of the Services.
var pods sync.Map

// dialPods reaches what the test runs behind a Service.
func dialPods(ctx context.Context, network, address string) (net.Conn, error) {
	target, ok := pods.Load(address)
	if !ok {
		return nil, fmt.Errorf("nothing runs behind %s", address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, target.(string))
}

func (p *place) deployedServer() *v1alpha1.IdentityServer {
	server := p.identityServer()
	server.Spec.Embedded = nil
	server.Spec.Deployment = &v1alpha1.DeployedServer{}
	return server
}

func TestDeployedServer(t *testing.T) {
	p := newNamespace(t)
	server, tenant, member := p.deployedServer(), p.tenant(), p.member("yamada", temporary)
	p.create(server, tenant, member)
	p.Expect(p.waiting(server, v1alpha1.RollingOutReason)).To(ContainSubstring("0 of 1 pods"))
	p.waiting(member, v1alpha1.IdentityServerNotReadyReason)

	workload := &appsv1.Deployment{ObjectMeta: p.meta("id-idp")}
	p.refresh(workload)
	pod := workload.Spec.Template.Spec
	p.Expect(workload.Spec.Strategy.Type).To(Equal(appsv1.RecreateDeploymentStrategyType), "two processes must not hold one SQLite file")
	p.Expect(pod.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	p.Expect(pod.Containers[0].Image).To(Equal("registry.example/tegata-idp:test"))
	p.Expect(strings.Join(pod.Containers[0].Args, " ")).To(ContainSubstring("--sqlite=/var/lib/tegata/tegata.db"))
	p.refresh(&corev1.PersistentVolumeClaim{ObjectMeta: p.meta("id-idp")})
	policy := &networkingv1.NetworkPolicy{ObjectMeta: p.meta("id-idp")}
	p.refresh(policy)
	p.Expect(policy.Spec.Ingress[1].From[0].NamespaceSelector.MatchLabels).To(HaveKeyWithValue("kubernetes.io/metadata.name", "tegata-system"))

	p.runPod(workload)
	p.current(server, tenant, member)
	p.Expect(server.Status.Replicas).To(HaveValue(BeEquivalentTo(1)))
	p.Expect(server.Status.Service).To(Equal("id-idp"))
	p.Expect(p.logIn(member.Spec.Mail, p.temporaryPassword(member))).To(Equal(forcedChange))
	p.Eventually(func() v1alpha1.MemberState { p.refresh(member); return member.Status.State }, patience, glance).Should(Equal(v1alpha1.MemberPasswordPending))
	p.unchanged(workload, 500*time.Millisecond)

	t.Run("the image and the template can be overridden", func(*testing.T) {
		p.change(server, func() {
			server.Spec.Deployment.Image = "registry.example/tegata-idp:next"
			server.Spec.Deployment.PodTemplate = &runtime.RawExtension{Raw: []byte(
				`{"metadata":{"labels":{"team":"identity"}},"spec":{"containers":[{"name":"idp","resources":{"limits":{"memory":"256Mi"}}}]}}`)}
		})
		p.waiting(server, v1alpha1.RollingOutReason)
		p.refresh(workload)
		template := workload.Spec.Template
		p.Expect(template.Labels).To(HaveKeyWithValue("team", "identity"))
		p.Expect(template.Spec.Containers).To(HaveLen(1))
		p.Expect(template.Spec.Containers[0].Image).To(Equal("registry.example/tegata-idp:next"))
		p.Expect(template.Spec.Containers[0].Resources.Limits.Memory().String()).To(Equal("256Mi"))
		p.Expect(template.Spec.Containers[0].Args).NotTo(BeEmpty(), "what is not overridden stays")
	})
	t.Run("a template that cannot be stops nobody and is not tried again", func(*testing.T) {
		template := server.Spec.Deployment.PodTemplate
		for bad, message := range map[string]string{
			`{"spec":{"nodeSelectr":{}}}`: "podTemplate", `{"spec":{"restartPolicy":"Sometimes"}}`: "restartPolicy",
		} {
			p.change(server, func() { server.Spec.Deployment.PodTemplate = &runtime.RawExtension{Raw: []byte(bad)} })
			p.Expect(p.stalled(server, v1alpha1.InvalidSpecReason)).To(ContainSubstring(message))
			p.change(member, func() { member.Spec.Phone += "1" })
			p.current(member)
		}
		p.change(server, func() { server.Spec.Deployment.PodTemplate = template })
		p.waiting(server, v1alpha1.RollingOutReason)
	})
	t.Run("a volume does not shrink", func(*testing.T) {
		p.change(server, func() {
			server.Spec.Storage = &v1alpha1.Storage{SQLite: &v1alpha1.SQLiteStorage{Size: new(resource.MustParse("500Mi"))}}
		})
		p.Expect(p.stalled(server, v1alpha1.InvalidSpecReason)).To(ContainSubstring("spec.storage.sqlite"))
		p.change(server, func() { server.Spec.Storage = nil })
		p.waiting(server, v1alpha1.RollingOutReason)
	})
	t.Run("what somebody deletes is made again", func(*testing.T) {
		for _, object := range []client.Object{&corev1.Secret{ObjectMeta: p.meta("id-idp-admin-server")}, &appsv1.Deployment{ObjectMeta: p.meta("id-idp")}} {
			p.refresh(object)
			old := object.GetUID()
			p.Expect(p.k8s.Delete(ctx, object)).To(Succeed())
			p.Eventually(func() bool {
				return p.k8s.Get(ctx, client.ObjectKeyFromObject(object), object) == nil && object.GetUID() != old
			}, patience, glance).Should(BeTrue())
		}
		p.waiting(server, v1alpha1.RollingOutReason)
		p.refresh(workload)
	})
	t.Run("no secret is in the pod template", func(*testing.T) {
		key := &corev1.Secret{ObjectMeta: p.meta("id-encryption")}
		p.refresh(key)
		p.Expect(fmt.Sprint(workload.Spec.Template)).NotTo(ContainSubstring(string(key.Data["key"])))
	})
}

func TestDeployedServerOnPostgres(t *testing.T) {
	p := newNamespace(t)
	secret := &corev1.Secret{ObjectMeta: p.meta("db"), StringData: map[string]string{"dsn": "postgres://tegata:s3cr3t-word@db/tegata"}}
	server := p.deployedServer()
	server.Spec.Deployment.Replicas = 3
	server.Spec.Storage = &v1alpha1.Storage{Postgres: &v1alpha1.PostgresStorage{ConnectionSecretRef: v1alpha1.SecretKeyReference{Name: "db", Key: "dsn"}}}
	p.create(secret, server)
	p.Expect(p.waiting(server, v1alpha1.RollingOutReason)).To(ContainSubstring("0 of 3 pods"))
	workload := &appsv1.Deployment{ObjectMeta: p.meta("id-idp")}
	p.refresh(workload)
	p.Expect(workload.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue()).To(BeZero())
	p.Expect(workload.Spec.Template.Spec.Containers[0].Args).To(ContainElement("--postgres-dsn-file=/etc/tegata/postgres/dsn"))
	p.Expect(fmt.Sprint(workload)).NotTo(ContainSubstring("s3cr3t-word"))
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: p.meta("id-idp")}
	p.refresh(budget)
	old := budget.UID
	p.remove(budget)
	p.Eventually(func() bool {
		return p.k8s.Get(ctx, client.ObjectKeyFromObject(budget), budget) == nil && budget.UID != old
	}, patience, glance).Should(BeTrue(), "what somebody deletes returns")
	p.change(server, func() { server.Spec.Deployment.Replicas = 1 })
	p.gone(budget)

	revision := workload.Spec.Template.Annotations["identity.tegata.dev/configuration"]
	p.change(secret, func() { secret.StringData = map[string]string{"dsn": "postgres://tegata:next-word@db/tegata"} })
	p.Eventually(func() string {
		p.refresh(workload)
		return workload.Spec.Template.Annotations["identity.tegata.dev/configuration"]
	}, patience, glance).ShouldNot(Equal(revision), "a changed Secret starts a rollout")
}

// TestDeployedServerIsRetractedAfterARestart deletes a server while no operator
// runs: its pods still hold the tenants, which must not come back with the database.
func TestDeployedServerIsRetractedAfterARestart(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	stop := startOperator(c.operator.Config(), t.TempDir())
	p := newNamespaceIn(t, c)
	server, tenant, member := p.deployedServer(), p.tenant(), p.member("yamada", temporary)
	p.create(server, tenant, member)
	p.waiting(server, v1alpha1.RollingOutReason)
	p.runPod(&appsv1.Deployment{ObjectMeta: p.meta("id-idp")})
	p.current(server, tenant, member)
	password := p.temporaryPassword(member)
	stop()

	p.Expect(p.k8s.Delete(ctx, server)).To(Succeed())
	p.Expect(p.logIn(member.Spec.Mail, password)).To(Equal(forcedChange), "pods go on without an operator")
	t.Cleanup(startOperator(c.operator.Config(), t.TempDir()))
	p.gone(server)
	p.Expect(p.logIn(member.Spec.Mail, password)).To(Equal(refusedLogIn))
}

// runPod runs a real IdP behind the admin Service, with the certificates of the
// Secret that the pod would mount, and says that the Deployment is ready.
func (p *place) runPod(workload *appsv1.Deployment) {
	p.t.Helper()
	secret, key, service := &corev1.Secret{ObjectMeta: p.meta("id-idp-admin-server")}, &corev1.Secret{ObjectMeta: p.meta("id-encryption")}, &corev1.Service{ObjectMeta: p.meta("id-idp-admin")}
	for _, object := range []client.Object{secret, key, service} {
		p.refresh(object)
	}
	p.Expect(secret.Data).NotTo(HaveKey("ca.key"), "the authority's key stays with the operator")
	options := idp.Options{
		ExternalURL: p.url, Address: strings.TrimPrefix(p.url, "http://"), Key: key.Data["key"],
		SQLitePath: filepath.Join(p.t.TempDir(), "tegata.db"), Version: "v0.9", Log: logr.Discard(),
	}
	adjust(&options)
	server := must(idp.New(ctx, options))
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Run(running) }()

	pods.Store(net.JoinHostPort(service.Spec.ClusterIP, "8443"), p.listenAdmin(admin.NewHandler(server.Admin())))
	p.t.Cleanup(func() {
		p.removeServers()
		stop()
		p.Expect(<-done).To(Succeed())
	})
	p.workloadStatus(workload, 1)
}
