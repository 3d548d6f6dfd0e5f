/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"tegata.dev/tegata/controllers"
)

// siteServicePort is the port of the Service that browsers' requests go to.
const siteServicePort = 80

// httpRouteKind may be missing in a cluster, so no Go types of it are used.
var httpRouteKind = schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}

// siteAddress is the external URL's scheme and host, the host as DNS writes it.
func siteAddress(config controllers.ServerConfig) (scheme, host string) {
	address, err := url.Parse(config.ExternalURL)
	if err != nil {
		return "", "" // the API server has checked it
	}
	return address.Scheme, strings.ToLower(address.Hostname())
}

// routeMeta adds what the spec says of an Ingress or HTTPRoute; our own labels stay.
func routeMeta(name types.NamespacedName, config controllers.ServerConfig, extraLabels, annotations map[string]string) metav1.ObjectMeta {
	object := meta(name, workloadName(name.Name), config)
	object.Annotations = annotations
	all := maps.Clone(extraLabels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, object.Labels)
	object.Labels = all
	return object
}

// ingress brings every request for the site's host to it. TLS is asked for
// without a Secret too: controllers then take their default certificate, and
// redirect from plain http as they do where there is one.
func ingress(name types.NamespacedName, config controllers.ServerConfig) *networkingv1.Ingress {
	declared := config.Deployment.Ingress
	scheme, host := siteAddress(config)
	made := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: routeMeta(name, config, declared.Labels, declared.Annotations),
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: ptr.To(networkingv1.PathTypePrefix),
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
					Name: workloadName(name.Name), Port: networkingv1.ServiceBackendPort{Number: siteServicePort},
				}},
			}}}},
		}}},
	}
	if declared.ClassName != "" {
		made.Spec.IngressClassName = &declared.ClassName
	}
	if scheme == "https" {
		made.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: declared.TLSSecretName}}
	}
	return made
}

// httpRoute brings every request for the site's host to it.
func httpRoute(name types.NamespacedName, config controllers.ServerConfig) (*unstructured.Unstructured, error) {
	declared := config.Deployment.HTTPRoute
	_, host := siteAddress(config)
	object := routeMeta(name, config, declared.Labels, declared.Annotations)
	metadata, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&object)
	if err != nil {
		return nil, err
	}
	delete(metadata, "creationTimestamp")
	parents := make([]any, len(declared.Parents))
	for i := range declared.Parents {
		parent, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&declared.Parents[i])
		if err != nil {
			return nil, err
		}
		parents[i] = parent
	}
	made := &unstructured.Unstructured{Object: map[string]any{
		"metadata": metadata,
		"spec": map[string]any{
			"parentRefs": parents,
			"hostnames":  []any{host},
			"rules": []any{map[string]any{
				"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/"}}},
				"backendRefs": []any{map[string]any{"name": workloadName(name.Name), "port": int64(siteServicePort)}},
			}},
		},
	}}
	made.SetGroupVersionKind(httpRouteKind)
	return made, nil
}

// routed is how far the HTTPRoute brings requests; empty where it does, or
// where none is declared.
type routed struct {
	unresolved *controllers.Unresolved
	// remark names the Gateways that have not answered.
	remark string
}

// ensureRoute applies the HTTPRoute where one is declared.
func (l *Launcher) ensureRoute(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig) (routed, error) {
	if config.Deployment.HTTPRoute == nil {
		return routed{}, nil
	}
	route, err := httpRoute(name, config)
	if err != nil {
		return routed{}, err
	}
	err = l.applyDeclared(ctx, route, config.Deployment.Owner)
	switch {
	case isNoKind(err):
		return routed{unresolved: &controllers.Unresolved{Missing: true, Message: "The cluster has no HTTPRoutes (gateway.networking.k8s.io/v1): " +
			"install the custom resource definitions of the Gateway API, or remove spec.deployment.httpRoute."}}, nil
	case err != nil:
		return routed{}, err
	}
	return answered(route, config.Deployment.HTTPRoute.Parents)
}

// isNoKind reports whether the API server does not know an object's kind.
func isNoKind(err error) bool { return apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err) }

// routeStatus is what is read of an HTTPRoute's status.
type routeStatus struct {
	Parents []struct {
		ParentRef  controllers.RouteParent `json:"parentRef"`
		Conditions []metav1.Condition      `json:"conditions"`
	} `json:"parents"`
}

// answered reads what the controllers of the Gateways said of this generation
// of the route.
func answered(route *unstructured.Unstructured, parents []controllers.RouteParent) (routed, error) {
	var status routeStatus
	if content, found, err := unstructured.NestedMap(route.Object, "status"); err != nil {
		return routed{}, err
	} else if found {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &status); err != nil {
			return routed{}, fmt.Errorf("the status of HTTPRoute %s: %w", route.GetName(), err)
		}
	}
	var refused, silent []string
	for _, parent := range parents {
		gateway := inNamespace(parent, route.GetNamespace())
		accepted := false
		for _, answer := range status.Parents {
			if inNamespace(answer.ParentRef, route.GetNamespace()) != gateway {
				continue
			}
			for _, condition := range answer.Conditions {
				switch {
				case condition.ObservedGeneration != 0 && condition.ObservedGeneration < route.GetGeneration():
				case condition.Type != "Accepted" && condition.Type != "ResolvedRefs":
				case condition.Status == metav1.ConditionFalse:
					refused = append(refused, fmt.Sprintf("%s/%s says %s=False, %s: %s",
						gateway.Namespace, gateway.Name, condition.Type, condition.Reason, strings.TrimSuffix(condition.Message, ".")))
				case condition.Type == "Accepted" && condition.Status == metav1.ConditionTrue:
					accepted = true
				}
			}
		}
		if !accepted {
			silent = append(silent, gateway.Namespace+"/"+gateway.Name)
		}
	}
	switch {
	case len(refused) > 0:
		return routed{unresolved: &controllers.Unresolved{Message: fmt.Sprintf(
			"HTTPRoute %q is not taken: Gateway %s. Correct spec.deployment.httpRoute or the Gateway.", route.GetName(), strings.Join(refused, "; "))}}, nil
	case len(silent) > 0:
		return routed{remark: fmt.Sprintf("HTTPRoute %q is not taken yet by Gateway %s.", route.GetName(), strings.Join(silent, ", "))}, nil
	}
	return routed{}, nil
}

// inNamespace writes out the namespace that a parent without one is in.
func inNamespace(parent controllers.RouteParent, namespace string) controllers.RouteParent {
	if parent.Namespace == "" {
		parent.Namespace = namespace
	}
	return parent
}
