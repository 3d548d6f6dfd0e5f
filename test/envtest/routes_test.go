/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"tegata.dev/tegata/api/v1alpha1"
)

// namedServer is a server in pods with a host name, as routes need one.
func (p *place) namedServer() *v1alpha1.IdentityServer {
	p.url = strings.Replace(p.url, "127.0.0.1", "localhost", 1)
	return p.deployedServer()
}

func TestServerBehindAnIngress(t *testing.T) {
	p := newNamespace(t)
	server := p.namedServer()
	server.Spec.Deployment.Version = "v1.4.0"
	server.Spec.Deployment.Ingress = &v1alpha1.ServerIngress{
		ClassName: "public", Annotations: map[string]v1alpha1.AnnotationValue{"example.com/issuer": "public"}, Labels: v1alpha1.ExtraLabels{"team": "identity"},
	}
	p.create(server)
	p.waiting(server, v1alpha1.RollingOutReason)
	workload := &appsv1.Deployment{ObjectMeta: p.meta("id-idp")}
	p.runPod(workload)
	p.current(server)
	p.Expect(workload.Spec.Template.Spec.Containers[0].Image).To(Equal("registry.example/tegata-idp:v1.4.0"))
	ingress := &networkingv1.Ingress{ObjectMeta: p.meta("id-idp")}
	service := &corev1.Service{ObjectMeta: p.meta("id-idp")}
	policy := &networkingv1.NetworkPolicy{ObjectMeta: p.meta("id-idp")}
	parts := []client.Object{ingress, service, policy}
	p.refresh(ingress)
	p.Expect(ingress.Spec.Rules[0].Host).To(Equal("localhost"))
	p.Expect(ingress.Spec.IngressClassName).To(HaveValue(Equal("public")))
	p.Expect(ingress.Annotations).To(HaveKeyWithValue("example.com/issuer", "public"))

	t.Run("what somebody deletes returns", func(t *testing.T) {
		p := p.in(t)
		for _, part := range parts {
			p.refresh(part)
			old := part.GetUID()
			p.remove(part)
			p.Eventually(func() bool {
				return p.k8s.Get(ctx, client.ObjectKeyFromObject(part), part) == nil && part.GetUID() != old
			}, patience, glance).Should(BeTrue(), "%T", part)
		}
		p.current(server)
	})
	t.Run("what somebody changes is set back", func(t *testing.T) {
		p := p.in(t)
		p.change(ingress, func() { ingress.Spec.Rules[0].Host = "elsewhere.example" })
		p.change(service, func() { service.Spec.Ports[0].TargetPort = intstr.FromInt32(1) })
		p.change(policy, func() { policy.Spec.Ingress = nil })
		p.Eventually(func(g Gomega) {
			p.refresh(ingress)
			p.refresh(service)
			p.refresh(policy)
			g.Expect(ingress.Spec.Rules[0].Host).To(Equal("localhost"))
			g.Expect(service.Spec.Ports[0].TargetPort.IntValue()).To(Equal(8080))
			g.Expect(policy.Spec.Ingress).To(HaveLen(2))
		}, patience, glance).Should(Succeed())
		for _, part := range parts {
			p.change(part, func() { part.SetLabels(nil) })
			p.Eventually(func() map[string]string { p.refresh(part); return part.GetLabels() }, patience, glance).
				Should(HaveKeyWithValue("app.kubernetes.io/managed-by", "tegata-operator"), "%T", part)
		}
	})
	t.Run("status and who manages what wake nobody", func(t *testing.T) {
		p := p.in(t)
		p.current(server)
		var before float64
		p.Eventually(func() bool { // the events of what was set back have all come
			last := before
			before = reconciles("identityserver")
			return last == before
		}, patience, 20*glance).Should(BeTrue())
		p.refresh(ingress)
		changed := ingress.DeepCopy()
		changed.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
		p.Expect(p.k8s.Status().Patch(ctx, changed, client.MergeFrom(ingress))).To(Succeed())
		p.refresh(ingress)
		changed = ingress.DeepCopy()
		changed.ManagedFields = append(changed.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: "somebody", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "networking.k8s.io/v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:rules":{}}}`),
		})
		p.Expect(p.k8s.Patch(ctx, changed, client.MergeFrom(ingress))).To(Succeed())
		p.Expect(changed.ResourceVersion).NotTo(Equal(ingress.ResourceVersion))
		p.Consistently(func() float64 { return reconciles("identityserver") }, time.Second, glance).Should(Equal(before))
	})
	t.Run("what is no longer declared goes", func(t *testing.T) {
		p := p.in(t)
		p.change(server, func() { server.Spec.Deployment.Ingress = nil })
		p.gone(ingress)
		p.current(server)
	})
	t.Run("an Ingress of somebody else is left alone", func(t *testing.T) {
		p := p.in(t)
		foreign := &networkingv1.Ingress{ObjectMeta: p.meta("id-idp"), Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "theirs", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}
		p.create(foreign)
		version := foreign.ResourceVersion
		p.change(server, func() { server.Spec.Deployment.Ingress = &v1alpha1.ServerIngress{} })
		p.Expect(p.stalled(server, v1alpha1.ConflictReason)).To(ContainSubstring(`Ingress "id-idp" exists in this namespace`))
		p.Expect(server.Status.Replicas).To(HaveValue(BeEquivalentTo(1)), "the rest goes on")
		p.change(server, func() { server.Spec.Deployment.Ingress = nil })
		p.current(server)
		p.refresh(foreign)
		p.Expect(foreign.ResourceVersion).To(Equal(version))

		p.change(server, func() { server.Spec.Deployment.Ingress = &v1alpha1.ServerIngress{} })
		p.stalled(server, v1alpha1.ConflictReason)
		p.remove(foreign)
		p.wake()
		p.current(server)
		p.refresh(ingress)
		p.Expect(ingress.OwnerReferences).To(HaveLen(1))
	})
	t.Run("an Ingress that cannot be is the spec's fault", func(t *testing.T) {
		p := p.in(t)
		p.change(server, func() { server.Spec.Deployment.Ingress.ClassName = "No Class" })
		p.Expect(p.stalled(server, v1alpha1.InvalidSpecReason)).To(HavePrefix("Correct spec.deployment.ingress"))
	})
}

func TestNothingOfSomebodyElseIsTakenOver(t *testing.T) {
	p := newNamespace(t)
	foreign := &corev1.Service{ObjectMeta: p.meta("id-idp"), Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "theirs"}, Ports: []corev1.ServicePort{{Name: "theirs", Port: 8000}},
	}}
	server := p.deployedServer()
	p.create(foreign, server)
	p.Expect(p.stalled(server, v1alpha1.ConflictReason)).To(ContainSubstring(`Service "id-idp" exists in this namespace`))
	version := foreign.ResourceVersion
	p.refresh(foreign)
	p.Expect(foreign.ResourceVersion).To(Equal(version))
	p.remove(foreign)
	p.wake()
	p.waiting(server, v1alpha1.RollingOutReason)
	p.refresh(foreign)
	p.Expect(foreign.OwnerReferences).To(HaveLen(1))
}

func TestServerBehindAGateway(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	t.Cleanup(startOperator(c.operator.Config(), t.TempDir()))
	p := newNamespaceIn(t, c)
	server := p.namedServer()
	server.Spec.Deployment.HTTPRoute = &v1alpha1.ServerHTTPRoute{
		ParentRefs: []v1alpha1.GatewayReference{{Name: "public", Namespace: "gateways", SectionName: "https"}},
		Labels:     v1alpha1.ExtraLabels{"team": "identity"},
	}
	p.create(server)
	p.Expect(p.stalled(server, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring("install the custom resource definitions of the Gateway API"))
	p.runPod(&appsv1.Deployment{ObjectMeta: p.meta("id-idp")})
	p.Eventually(func() bool {
		p.refresh(server)
		return meta.IsStatusConditionTrue(server.Status.Conditions, v1alpha1.PublishedCondition)
	}, patience, glance).Should(BeTrue(), "the site serves without")
	p.stalled(server, v1alpha1.ReferenceNotFoundReason)

	k8s := p.installGatewayAPI()
	p.wake()
	p.current(server)
	p.Expect(p.serving(server)).To(HaveSuffix(`HTTPRoute "id-idp" is not taken yet by Gateway gateways/public.`))
	route := &gatewayv1.HTTPRoute{ObjectMeta: p.meta("id-idp")}
	p.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(route), route)).To(Succeed())
	p.Expect(route.Spec.Hostnames).To(ConsistOf(gatewayv1.Hostname("localhost")))
	p.Expect(route.Spec.ParentRefs).To(HaveLen(1))
	p.Expect(route.Spec.Rules[0].BackendRefs[0].Port).To(HaveValue(BeEquivalentTo(80)))
	p.Expect(route.OwnerReferences).To(HaveLen(1))
	p.Expect(route.Labels).To(HaveKeyWithValue("team", "identity"))

	p.answer(k8s, route, metav1.ConditionFalse, "NotAllowedByListeners")
	p.Expect(p.stalled(server, v1alpha1.InvalidReferenceReason)).To(ContainSubstring("gateways/public says Accepted=False, NotAllowedByListeners"))
	p.answer(k8s, route, metav1.ConditionTrue, "Accepted")
	version := route.ResourceVersion
	p.current(server)
	p.Eventually(func() string { return p.serving(server) }, patience, glance).Should(HaveSuffix(p.url + "."))
	p.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(route), route)).To(Succeed())
	p.Expect(route.ResourceVersion).To(Equal(version), "what is as declared is not written again")

	p.change(server, func() {
		server.Spec.Deployment.HTTPRoute.ParentRefs = append(server.Spec.Deployment.HTTPRoute.ParentRefs, v1alpha1.GatewayReference{Name: "public", Namespace: "gateways"})
	})
	p.Expect(p.stalled(server, v1alpha1.InvalidSpecReason)).To(HavePrefix("Correct spec.deployment.httpRoute"))
	p.change(server, func() { server.Spec.Deployment.HTTPRoute = nil })
	p.current(server)
	p.Expect(apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(route), route))).To(BeTrue())

	foreign := &gatewayv1.HTTPRoute{ObjectMeta: p.meta("id-idp")}
	p.Expect(k8s.Create(ctx, foreign)).To(Succeed())
	p.change(server, func() {
		server.Spec.Deployment.HTTPRoute = &v1alpha1.ServerHTTPRoute{ParentRefs: []v1alpha1.GatewayReference{{Name: "public"}}}
	})
	p.Expect(p.stalled(server, v1alpha1.ConflictReason)).To(ContainSubstring(`HTTPRoute "id-idp" exists in this namespace`))
}

// answer writes into the route what its Gateway's controller would, and has the
// operator look.
func (p *place) answer(k8s client.Client, route *gatewayv1.HTTPRoute, status metav1.ConditionStatus, reason string) {
	p.t.Helper()
	before := route.DeepCopy()
	route.Status.Parents = []gatewayv1.RouteParentStatus{{
		ParentRef: route.Spec.ParentRefs[0], ControllerName: "example.net/gateway",
		Conditions: []metav1.Condition{{Type: "Accepted", Status: status, Reason: reason, ObservedGeneration: route.Generation, LastTransitionTime: metav1.Now()}},
	}}
	p.Expect(k8s.Status().Patch(ctx, route, client.MergeFrom(before))).To(Succeed())
	p.wake()
}

// serving is what the server says of how it serves.
func (p *place) serving(server *v1alpha1.IdentityServer) string {
	p.t.Helper()
	p.refresh(server)
	return meta.FindStatusCondition(server.Status.Conditions, v1alpha1.PublishedCondition).Message
}

// wake has the operator look at once at what it looks at every minute, as no
// event tells of it: something that it does watch is deleted.
func (p *place) wake() {
	p.t.Helper()
	// The one before may be on its way back still.
	p.Eventually(func() error {
		return p.k8s.Delete(ctx, &corev1.Service{ObjectMeta: p.meta("id-idp-metrics")})
	}, patience, glance).Should(Succeed())
}

// in is the same place, failing the subtest t.
func (p *place) in(t *testing.T) *place {
	other := *p
	other.WithT, other.t = NewWithT(t), t
	return &other
}

// installGatewayAPI installs the standard's own HTTPRoute and returns a client that knows it.
func (p *place) installGatewayAPI() client.Client {
	p.t.Helper()
	module := strings.TrimSpace(string(must(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output())))
	must(envtest.InstallCRDs(p.environment.Config, envtest.CRDInstallOptions{
		Paths: []string{filepath.Join(module, "config", "crd", "standard", "gateway.networking.k8s.io_httproutes.yaml")}, ErrorIfPathMissing: true,
	}))
	known := runtime.NewScheme()
	p.Expect(gatewayv1.Install(known)).To(Succeed())
	return must(client.New(p.environment.Config, client.Options{Scheme: known}))
}

// reconciles counts how often a controller has worked.
func reconciles(controller string) float64 {
	total := 0.0
	for _, family := range must(metrics.Registry.Gather()) {
		if family.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "controller" && label.GetValue() == controller {
					total += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}
