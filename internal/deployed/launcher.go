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

// pingTimeout bounds the question whether a server answers.
const pingTimeout = 5 * time.Second

// lookAgain bounds how long certificates go unrenewed, and what somebody
// deleted stays away, where no event tells.
const lookAgain = time.Hour

// lookSoon is when something outside is looked at again that no event tells of:
// another's object that is in the way, a Gateway that does not take the route.
const lookSoon = time.Minute

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
	serving, err := l.observe(ctx, name, config, secured, version)
	if applied != nil {
		// Pods that are missing are a consequence of what could not be applied.
		err = applied
	}
	serving.Unresolved, serving.Remark, serving.LookAgain = route.unresolved, route.remark, lookAgain
	if conflict := (*controllers.ConflictError)(nil); !route.settled() || errors.As(err, &conflict) {
		serving.LookAgain = lookSoon
	}
	return serving, err
}

// known is what served when it was looked at last.
func (l *Launcher) known(name types.NamespacedName) controllers.Serving {
	l.mu.Lock()
	defer l.mu.Unlock()
	serving := controllers.Serving{ServiceName: workloadName(name.Name), LookAgain: lookAgain}
	if old := l.running[name]; old != nil {
		serving.Service = old.service
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

// observe reads how far the rollout is and connects to what serves.
func (l *Launcher) observe(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig, secured *trust, version string) (controllers.Serving, error) {
	workload := &appsv1.Deployment{}
	if err := l.uncached.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: workloadName(name.Name)}, workload); err != nil {
		return controllers.Serving{}, err
	}
	serving := controllers.Serving{
		Version: version, Replicas: &workload.Status.ReadyReplicas, ServiceName: workloadName(name.Name),
		Waiting: rollout(workload, config.Deployment.Replicas),
	}
	if workload.Status.ReadyReplicas == 0 {
		return serving, nil
	}
	service := &corev1.Service{}
	if err := l.uncached.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: adminName(name.Name)}, service); err != nil {
		return serving, err
	}
	connected := l.connect(name, fmt.Sprintf("https://%s", joinPort(service.Spec.ClusterIP, adminPort)), settledImage(workload), secured)
	asking, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if _, err := connected.About(asking); err != nil {
		return serving, fmt.Errorf("the server runs, but its admin API does not answer: %w", err)
	}
	serving.Service = connected
	return serving, nil
}

// rollout says what a Deployment still waits for, empty where it is as declared.
func rollout(workload *appsv1.Deployment, replicas int32) string {
	status := workload.Status
	if status.ObservedGeneration >= workload.Generation && status.UpdatedReplicas == replicas &&
		status.ReadyReplicas == replicas && status.Replicas == replicas {
		return ""
	}
	for _, condition := range status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return "Pods cannot be made: " + condition.Message
		}
	}
	return fmt.Sprintf("Rolling out: %d of %d pods are up to date and ready; see the pods of Deployment %s for what they wait for.",
		min(status.UpdatedReplicas, status.ReadyReplicas), replicas, workload.Name)
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
func (l *Launcher) connect(name types.NamespacedName, address, image string, secured *trust) admin.Service {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.running[name]; old != nil {
		if old.address == address && (image == "" || image == old.image) && old.trust.same(secured) {
			return old.service
		}
		old.http.CloseIdleConnections()
	}
	transport := &http.Transport{
		DialContext: l.options.DialContext, TLSClientConfig: secured.tlsConfig(adminHost(name)),
		ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
	}
	httpClient := &http.Client{Transport: transport}
	l.running[name] = &connection{service: admin.NewClient(address, httpClient), http: httpClient, address: address, image: image, trust: secured}
	return l.running[name].service
}

func joinPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func mustParse(quantity string) resource.Quantity { return resource.MustParse(quantity) }
