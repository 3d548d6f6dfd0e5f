/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"tegata.dev/tegata/controllers"
)

func TestIngress(t *testing.T) {
	secretOf := func(i *networkingv1.Ingress) string { return i.Spec.TLS[0].SecretName }
	for name, test := range map[string]struct {
		url      string
		declared controllers.IngressConfig
		check    func(Gomega, *networkingv1.Ingress)
	}{
		"all by default": {"https://ID.Acme.example:8443", controllers.IngressConfig{}, func(g Gomega, i *networkingv1.Ingress) {
			g.Expect(i.Spec.IngressClassName).To(BeNil())
			g.Expect(i.Spec.Rules).To(HaveLen(1))
			g.Expect(i.Spec.Rules[0].Host).To(Equal("id.acme.example"))
			path := i.Spec.Rules[0].HTTP.Paths[0]
			g.Expect(path.Path).To(Equal("/"))
			g.Expect(path.PathType).To(HaveValue(Equal(networkingv1.PathTypePrefix)))
			g.Expect(path.Backend.Service.Name).To(Equal("id-idp"))
			g.Expect(path.Backend.Service.Port.Number).To(BeEquivalentTo(80))
			g.Expect(i.Spec.TLS).To(HaveLen(1), "TLS by the controller's certificate")
			g.Expect(i.Spec.TLS[0].Hosts).To(Equal([]string{"id.acme.example"}))
			g.Expect(secretOf(i)).To(BeEmpty())
			g.Expect(i.Labels).To(Equal(labels("id")))
			g.Expect(i.OwnerReferences).To(HaveLen(1))
		}},
		"everything set": {"https://id.acme.example", controllers.IngressConfig{
			ClassName: "public", TLSSecretName: "id-tls", Annotations: map[string]string{"cert-manager.io/cluster-issuer": "public"},
			Labels: map[string]string{"team": "identity", "app.kubernetes.io/managed-by": "somebody"},
		}, func(g Gomega, i *networkingv1.Ingress) {
			g.Expect(i.Spec.IngressClassName).To(HaveValue(Equal("public")))
			g.Expect(secretOf(i)).To(Equal("id-tls"))
			g.Expect(i.Annotations).To(Equal(map[string]string{"cert-manager.io/cluster-issuer": "public"}))
			g.Expect(i.Labels).To(HaveKeyWithValue("team", "identity"))
			g.Expect(i.Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", operatorName), "the watch selects by it")
		}},
		"plain http": {"http://localhost:8080", controllers.IngressConfig{TLSSecretName: "id-tls"}, func(g Gomega, i *networkingv1.Ingress) {
			g.Expect(i.Spec.Rules[0].Host).To(Equal("localhost"))
			g.Expect(i.Spec.TLS).To(BeEmpty())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config := sqlite()
			config.ExternalURL, config.Deployment.Ingress = test.url, &test.declared
			test.check(NewWithT(t), made(config)["Ingress id-idp"].(*networkingv1.Ingress))
		})
	}
	NewWithT(t).Expect(made(sqlite())).NotTo(HaveKey("Ingress id-idp"))
}

func routeConfig(parents ...controllers.RouteParent) controllers.ServerConfig {
	config := sqlite()
	config.Deployment.HTTPRoute = &controllers.HTTPRouteConfig{
		Parents: parents, Annotations: map[string]string{"note": "a"}, Labels: map[string]string{"team": "identity"}}
	return config
}

func TestHTTPRoute(t *testing.T) {
	g := NewWithT(t)
	route, err := httpRoute(server, routeConfig(
		controllers.RouteParent{Name: "public", Namespace: "gateways", SectionName: "https", Port: 443}, controllers.RouteParent{Name: "own"}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(route.GetName()).To(Equal("id-idp"))
	g.Expect(route.GetNamespace()).To(Equal("acme"))
	g.Expect(route.GetOwnerReferences()).To(HaveLen(1))
	g.Expect(route.GetAnnotations()).To(Equal(map[string]string{"note": "a"}))
	g.Expect(route.GetLabels()).To(And(HaveKeyWithValue("team", "identity"), HaveKeyWithValue("app.kubernetes.io/managed-by", operatorName)))
	g.Expect(route.Object["spec"]).To(Equal(map[string]any{
		"parentRefs": []any{
			map[string]any{"name": "public", "namespace": "gateways", "sectionName": "https", "port": int64(443)}, map[string]any{"name": "own"}},
		"hostnames": []any{"id.acme.example"},
		"rules": []any{map[string]any{
			"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/"}}},
			"backendRefs": []any{map[string]any{"name": "id-idp", "port": int64(80)}},
		}},
	}))
}

// answer is a parent's entry in an HTTPRoute's status.
func answer(ref map[string]any, conditions ...any) any {
	return map[string]any{"parentRef": ref, "controllerName": "example.net/gateway", "conditions": conditions}
}

func said(conditionType, status, reason string, generation int64) any {
	return map[string]any{"type": conditionType, "status": status, "reason": reason, "message": "Because.",
		"observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}
}

func TestAnswered(t *testing.T) {
	public, own := controllers.RouteParent{Name: "public", Namespace: "gateways"}, controllers.RouteParent{Name: "own"}
	publicRef, ownRef := map[string]any{"name": "public", "namespace": "gateways"}, map[string]any{"name": "own", "namespace": "acme"}
	for name, test := range map[string]struct {
		parents            []controllers.RouteParent
		answers            []any
		unresolved, remark string
	}{
		"nobody":             {[]controllers.RouteParent{public, own}, nil, "", `HTTPRoute "id-idp" is not taken yet by Gateway gateways/public, acme/own.`},
		"all":                {[]controllers.RouteParent{public, own}, []any{answer(publicRef, said("Accepted", "True", "Accepted", 2)), answer(ownRef, said("Accepted", "True", "Accepted", 2))}, "", ""},
		"one of two":         {[]controllers.RouteParent{public, own}, []any{answer(ownRef, said("Accepted", "True", "Accepted", 2))}, "", "gateways/public."},
		"without generation": {[]controllers.RouteParent{own}, []any{answer(ownRef, said("Accepted", "True", "Accepted", 0))}, "", ""},
		"of an older route":  {[]controllers.RouteParent{own}, []any{answer(ownRef, said("Accepted", "False", "NotAllowedByListeners", 1))}, "", "acme/own."},
		"of a gateway that is no longer named": {[]controllers.RouteParent{own}, []any{
			answer(ownRef, said("Accepted", "True", "Accepted", 2)), answer(publicRef, said("Accepted", "False", "NoMatchingParent", 2))}, "", ""},
		"of another listener": {[]controllers.RouteParent{{Name: "own", SectionName: "https"}}, []any{answer(ownRef, said("Accepted", "True", "Accepted", 2))}, "", "acme/own."},
		"refused": {[]controllers.RouteParent{public}, []any{answer(publicRef, said("Accepted", "False", "NotAllowedByListeners", 2))},
			"Gateway gateways/public says Accepted=False, NotAllowedByListeners: Because. Correct", ""},
		"not resolved": {[]controllers.RouteParent{public}, []any{answer(publicRef, said("Accepted", "True", "Accepted", 2), said("ResolvedRefs", "False", "BackendNotFound", 2))},
			"ResolvedRefs=False, BackendNotFound", ""},
		"other conditions": {[]controllers.RouteParent{own}, []any{answer(ownRef, said("Accepted", "True", "Accepted", 2), said("PartiallyInvalid", "False", "Fine", 2))}, "", ""},
		"not known yet":    {[]controllers.RouteParent{own}, []any{answer(ownRef, said("Accepted", "Unknown", "Pending", 2))}, "", "acme/own."},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			route, err := httpRoute(server, routeConfig(test.parents...))
			g.Expect(err).NotTo(HaveOccurred())
			route.SetGeneration(2)
			if test.answers != nil {
				g.Expect(unstructured.SetNestedSlice(route.Object, test.answers, "status", "parents")).To(Succeed())
			}
			is, err := answered(route, test.parents)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(is.remark).To(HaveSuffix(test.remark))
			g.Expect(is.remark == "").To(Equal(test.remark == ""))
			if test.unresolved == "" {
				g.Expect(is.unresolved).To(BeNil())
				return
			}
			g.Expect(is.unresolved.Message).To(ContainSubstring(test.unresolved))
		})
	}
}

func TestImageOf(t *testing.T) {
	for name, test := range map[string]struct {
		operators, image, version string
		want, wantVersion         string
	}{
		"the operator's":         {"ghcr.example/tegata-idp:1.2.0", "", "", "ghcr.example/tegata-idp:1.2.0", "1.2.0"},
		"another version":        {"ghcr.example/tegata-idp:1.2.0", "", "v1.4.0", "ghcr.example/tegata-idp:v1.4.0", "v1.4.0"},
		"a registry with a port": {"localhost:5000/tegata-idp", "", "v1.4.0", "localhost:5000/tegata-idp:v1.4.0", "v1.4.0"},
		"a digest":               {"localhost:5000/tegata-idp:1@sha256:ab", "", "v1.4.0", "localhost:5000/tegata-idp:v1.4.0", "v1.4.0"},
		"another image":          {"", "mine/idp:7", "", "mine/idp:7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			image, version, err := imageOf(&controllers.DeploymentConfig{Image: test.image, Version: test.version}, Options{Image: test.operators, Version: "1.2.0"})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(image).To(Equal(test.want))
			g.Expect(version).To(Equal(test.wantVersion))
		})
	}
	for _, version := range []string{"", "v1.4.0"} {
		_, _, err := imageOf(&controllers.DeploymentConfig{Version: version}, Options{})
		NewWithT(t).Expect(err).To(And(BeAssignableToTypeOf(&controllers.InvalidError{}), MatchError(ContainSubstring("--idp-image"))))
	}
}
