/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/controllers"
)

// optional are the kinds of which a server has one object or none.
var optional = []schema.GroupVersionKind{
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	httpRouteKind,
}

// declares reports whether a server's configuration asks for an optional kind.
func declares(config controllers.ServerConfig, kind string) bool {
	switch d := config.Deployment; kind {
	case "PodDisruptionBudget":
		return d.Replicas > 1
	case "Ingress":
		return d.Ingress != nil
	default:
		return d.HTTPRoute != nil
	}
}

// prune deletes what the configuration no longer asks for, where it is the
// server's own. Nobody else makes that, so what was once seen to be gone is
// looked for again only after it was declared in between.
func (l *Launcher) prune(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig) error {
	for _, kind := range optional {
		if declares(config, kind.Kind) {
			l.setPruned(name, kind.Kind, false)
			continue
		}
		if l.isPruned(name, kind.Kind) {
			continue
		}
		if err := l.remove(ctx, name, kind, config.Deployment.Owner.UID); err != nil {
			return fmt.Errorf("delete %s %s: %w", kind.Kind, workloadName(name.Name), err)
		}
		l.setPruned(name, kind.Kind, true)
	}
	return nil
}

// remove deletes the server's object of a kind, where it has one.
func (l *Launcher) remove(ctx context.Context, name types.NamespacedName, kind schema.GroupVersionKind, owner types.UID) error {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(kind)
	err := l.uncached.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: workloadName(name.Name)}, found)
	if isNoKind(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !controlledBy(found, owner) {
		return nil
	}
	return client.IgnoreNotFound(l.client.Delete(ctx, found, client.Preconditions{UID: new(found.GetUID())}))
}

func (l *Launcher) isPruned(name types.NamespacedName, kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pruned[name][kind]
}

func (l *Launcher) setPruned(name types.NamespacedName, kind string, pruned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pruned[name] == nil {
		l.pruned[name] = map[string]bool{}
	}
	l.pruned[name][kind] = pruned
}

// claim makes sure that nobody else has an object of this name, which would be
// taken over by applying ours.
func (l *Launcher) claim(ctx context.Context, object client.Object, owner metav1.OwnerReference) error {
	found, err := l.find(ctx, object)
	if err != nil || found == nil || controlledBy(found, owner.UID) {
		return err
	}
	kind := object.GetObjectKind().GroupVersionKind().Kind
	if other := metav1.GetControllerOf(found); other != nil && other.Kind == owner.Kind && other.Name == owner.Name {
		return fmt.Errorf("%s %s is that of an IdentityServer of this name that was deleted, and goes with it", kind, object.GetName())
	}
	return &controllers.ConflictError{Message: fmt.Sprintf(
		"%s %q exists in this namespace and is not this IdentityServer's; delete it, or name the IdentityServer otherwise.", kind, object.GetName())}
}

// find reads who has the object's name; nil is nobody. What is ours is in the
// cache, but for HTTPRoutes, so that the API server is seldom asked.
func (l *Launcher) find(ctx context.Context, object client.Object) (client.Object, error) {
	readers := []client.Reader{l.client, l.uncached}
	if object.GetObjectKind().GroupVersionKind() == httpRouteKind {
		readers = readers[1:]
	}
	for _, reader := range readers {
		found := watched(object)
		err := reader.Get(ctx, client.ObjectKeyFromObject(object), found)
		if err == nil {
			return found, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, err
		}
	}
	return nil, nil
}

// watched is an empty object as the cache holds those of its kind.
func watched(object client.Object) client.Object {
	if object.GetObjectKind().GroupVersionKind() == appsv1.SchemeGroupVersion.WithKind("Deployment") {
		return &appsv1.Deployment{}
	}
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	return metadata
}

func controlledBy(object client.Object, owner types.UID) bool {
	return metav1.IsControlledBy(object, &metav1.ObjectMeta{UID: owner})
}
