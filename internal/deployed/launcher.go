/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/admin"
)

// fieldOwner marks what the operator applies.
const fieldOwner = client.FieldOwner("tegata-operator")

// lookAgain bounds how long certificates go unrenewed, and an HTTPRoute that
// somebody deleted stays away, as no event tells.
const lookAgain = time.Hour

// lookSoon is when something outside is looked at again that no event tells of:
// another's object that is in the way, a Gateway that does not take the route.
const lookSoon = time.Minute

// lookOften keeps what is told of pods fresh, which are not watched.
const lookOften = 10 * time.Second

// Options are what every server has in common.
type Options struct {
	// Image runs where a spec names none.
	Image string
	// Version is the version of Image.
	Version string
	// OperatorNamespace is where the operator's pods are; empty is anywhere.
	OperatorNamespace string
	// Now is the clock; default time.Now.
	Now func() time.Time
	// DialContext reaches the servers; nil is the network.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Launcher runs identity servers as Deployments.
type Launcher struct {
	client   client.Client
	uncached client.Reader
	options  Options

	mu      sync.Mutex
	running map[types.NamespacedName]*connection
	// pruned are the optional kinds of which a server is known to have no object.
	pruned map[types.NamespacedName]map[string]bool
}

// connection is how a server's admin API is reached.
type connection struct {
	service admin.Service
	http    *http.Client
	address string
	// image is what every pod ran when it was made; empty where they differed.
	image string
	trust *trust
	// version is what the server said last of itself.
	version string
}

// NewLauncher applies objects by client and reads Secrets by uncached.
func NewLauncher(c client.Client, uncached client.Reader, o Options) *Launcher {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Launcher{
		client: c, uncached: uncached, options: o,
		running: map[types.NamespacedName]*connection{}, pruned: map[types.NamespacedName]map[string]bool{},
	}
}

// OnExit does nothing: pods that end are seen by the watch on the Deployment.
func (l *Launcher) OnExit(func(types.NamespacedName)) {}

// Ensure applies the server's objects and tells what serves. What serves
// already goes on serving where something cannot be applied.
func (l *Launcher) Ensure(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig) (controllers.Serving, error) {
	d := config.Deployment
	secured, err := l.ensureTrust(ctx, name, d.Owner)
	if err != nil {
		return l.known(name), err
	}
	image, version, err := imageOf(d, l.options)
	if err != nil {
		return l.known(name), err
	}
	applied := l.applyAll(ctx, objects(name, config, image, revision(config), l.options.OperatorNamespace), d)
	route, routeErr := l.ensureRoute(ctx, name, config)
	applied = errors.Join(applied, routeErr, l.prune(ctx, name, config))
	serving, err := l.observe(ctx, name, config, secured, target(image, version))
	if applied != nil {
		// Pods that are missing are a consequence of what could not be applied.
		err = applied
	}
	serving.Unresolved, serving.Remark = route.unresolved, route.remark
	serving.LookAgain = nextLook(serving, err)
	return serving, err
}

// nextLook is when something may be otherwise of which no event tells.
func nextLook(serving controllers.Serving, err error) time.Duration {
	_, conflict := errors.AsType[*controllers.ConflictError](err)
	switch {
	case serving.Waiting != "":
		return lookOften
	case conflict || serving.Unresolved != nil || serving.Remark != "":
		return lookSoon
	}
	return lookAgain
}

// known is what served when it was looked at last.
func (l *Launcher) known(name types.NamespacedName) controllers.Serving {
	l.mu.Lock()
	defer l.mu.Unlock()
	serving := controllers.Serving{ServiceName: workloadName(name.Name), LookAgain: lookAgain}
	if old := l.running[name]; old != nil {
		serving.Service, serving.Version = old.service, old.version
	}
	return serving
}

// Stop forgets the server. What it consists of belongs to the IdentityServer
// and goes with it, but for the volume.
func (l *Launcher) Stop(_ context.Context, name types.NamespacedName) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pruned, name)
	if old := l.running[name]; old != nil {
		old.http.CloseIdleConnections()
		delete(l.running, name)
	}
	return nil
}

// revision marks the configuration that pods read once, at their start. Keyed
// by the sealing key, it tells nothing of the secrets in it.
func revision(config controllers.ServerConfig) string {
	mac := hmac.New(sha256.New, config.Key)
	fmt.Fprintf(mac, "%q", config.PostgresDSN)
	if mail := config.Mail; mail != nil {
		fmt.Fprintf(mac, "%q %q", mail.Username, mail.Password)
	}
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// applyAll applies every object, also after one that could not be.
func (l *Launcher) applyAll(ctx context.Context, all []client.Object, d *controllers.DeploymentConfig) error {
	var failed []error
	for _, object := range all {
		if err := l.apply(ctx, object, d); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// apply applies one object.
func (l *Launcher) apply(ctx context.Context, object client.Object, d *controllers.DeploymentConfig) error {
	if workload, ok := object.(*appsv1.Deployment); ok && len(d.PodTemplate) > 0 {
		if err := overlay(&workload.Spec.Template, d.PodTemplate); err != nil {
			return err
		}
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	delete(content, "status")
	declared := &unstructured.Unstructured{Object: content}
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(content, "spec", "template", "metadata", "creationTimestamp")
	return l.applyDeclared(ctx, declared, d.Owner)
}

// applyDeclared applies one object server-side, which writes nothing where
// nothing changed, and reads back what it is then. Another's is left alone.
func (l *Launcher) applyDeclared(ctx context.Context, declared *unstructured.Unstructured, owner metav1.OwnerReference) error {
	kind, name := declared.GetKind(), declared.GetName()
	// A volume is nobody's: it outlives its server, and may come from a backup.
	if len(declared.GetOwnerReferences()) > 0 {
		if err := l.claim(ctx, declared, owner); err != nil {
			return err
		}
	}
	err := l.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(declared), fieldOwner, client.ForceOwnership)
	switch {
	case err == nil:
		return nil
	case apierrors.IsInvalid(err):
		reason, _, _ := strings.Cut(err.Error(), "\n") // a comparison of whole specs may follow
		return &controllers.InvalidError{Message: fmt.Sprintf("%s: %s.", blame[kind], reason)}
	}
	return fmt.Errorf("apply %s %s: %w", kind, name, err)
}

// blame says which part of the spec makes an object that the API server refuses.
var blame = map[string]string{
	"Deployment":            "Correct spec.deployment, above all podTemplate and image",
	"PersistentVolumeClaim": "Set spec.storage.sqlite back: a volume keeps its storage class, never shrinks, and grows only where its class allows it",
	"Service":               "The name of the IdentityServer does not make names of Services",
	"NetworkPolicy":         "The network policy was refused",
	"PodDisruptionBudget":   "The disruption budget was refused",
	"Ingress":               "Correct spec.deployment.ingress",
	"HTTPRoute":             "Correct spec.deployment.httpRoute",
}

// overlay merges the user's template over ours.
func overlay(template *corev1.PodTemplateSpec, patch []byte) error {
	original, err := json.Marshal(template)
	if err != nil {
		return err
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, template)
	if err != nil {
		return &controllers.InvalidError{Message: fmt.Sprintf("Correct spec.deployment.podTemplate, which cannot be merged: %v.", err)}
	}
	result := corev1.PodTemplateSpec{}
	strict := json.NewDecoder(bytes.NewReader(merged))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&result); err != nil {
		return &controllers.InvalidError{Message: fmt.Sprintf("Correct spec.deployment.podTemplate, which does not make a pod template: %v.", err)}
	}
	*template = result
	return nil
}

func joinPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func mustParse(quantity string) resource.Quantity { return resource.MustParse(quantity) }
