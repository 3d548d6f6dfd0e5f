/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// PlanOptions are what a plan needs from around it.
type PlanOptions struct {
	// Scheme knows the cluster's kinds and ours.
	Scheme *runtime.Scheme
	// Below reads Secrets, ConfigMaps and Namespaces as whoever plans. Nothing else
	// is asked of the cluster.
	Below client.Reader
	// Directory makes an empty directory of an IdP, to try changes in.
	Directory func(now func() time.Time) (admin.Service, error)
	// Services makes the services of ProvisioningTargets, which are only read;
	// default NewService.
	Services func(ServiceOptions) (provision.Target, error)
	// Offline asks no service: what is known of accounts is what status tells.
	Offline bool
	// AskChanged asks services, too, that the input moves to another address or
	// other keys, or brings. Without it they are not, as the keys would be sent there.
	AskChanged bool
	// Clock defaults to time.Now.
	Clock Clock
}

// PlanInput is what there is, and what is to become of it.
type PlanInput struct {
	// Live are the objects of our kinds as they are.
	Live []client.Object
	// Declared are those that differ or are new, as the API server would keep them.
	Declared []client.Object
	// Pruned are those that would be deleted.
	Pruned []client.Object
	// Around are ConfigMaps and Secrets that come with them.
	Around []client.Object
}

// Plan tries out what the controllers would do: they run against copies of all
// objects and an empty directory that is filled with what is live; services are
// asked, and nothing is written to them. The plan has no Objects yet.
func Plan(ctx context.Context, in PlanInput, o PlanOptions) (*plan.Plan, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Services == nil {
		o.Services = NewService
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := newPlanner(ctx, in, o)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{p.openDirectories, p.settle, p.tellProblems, p.tellEffects, p.tellTargets} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	p.plan.Sort()
	return &p.plan, nil
}

// planner is one plan in the making.
type planner struct {
	PlanOptions
	input PlanInput
	// now is what there is, after what would be.
	now, after *overlay
	servers    *Servers
	wakers     *wakers
	audit      *auditRecorder
	plan       plan.Plan
	// tenants are those that something changes for; whole where everybody in them
	// may be concerned.
	tenants map[types.NamespacedName]bool
	touched map[plan.Reference]bool
}

func newPlanner(ctx context.Context, in PlanInput, o PlanOptions) (*planner, error) {
	moment := o.Clock()
	o.Clock = func() time.Time { return moment }
	o.Below = &rememberingReader{Reader: o.Below, known: map[string]remembered{}}
	p := &planner{
		PlanOptions: o, input: in, servers: NewServers(), wakers: newWakers(),
		tenants: map[types.NamespacedName]bool{}, touched: map[plan.Reference]bool{},
	}
	p.audit = newAuditRecorder(ctx, p.servers, o.Clock)
	var err error
	if p.now, err = newOverlay(ctx, o.Scheme, o.Below, o.Clock); err != nil {
		return nil, err
	}
	if p.after, err = newOverlay(ctx, o.Scheme, o.Below, o.Clock); err != nil {
		return nil, err
	}
	for _, object := range in.Live {
		if err := p.now.put(object.DeepCopyObject().(client.Object)); err != nil {
			return nil, err
		}
	}
	for _, object := range slices.Concat(in.Live, in.Around, in.Declared) {
		if err := p.after.put(object.DeepCopyObject().(client.Object)); err != nil {
			return nil, err
		}
	}
	for _, object := range slices.Concat(in.Declared, in.Pruned) {
		p.touch(ctx, object)
	}
	return p, nil
}

// touch notes whom a change concerns.
func (p *planner) touch(ctx context.Context, object client.Object) {
	p.touched[p.referenceTo(object)] = true
	name := client.ObjectKeyFromObject(object)
	switch typed := object.(type) {
	case *v1alpha1.IdentityServer:
		for _, tenant := range namesOf(ctx, p.after, &v1alpha1.TenantList{}, client.MatchingFields{byServer: name.String()}) {
			p.concern(tenant, true)
		}
	case *v1alpha1.Tenant:
		p.concern(name, true)
	case *v1alpha1.ProvisioningTarget:
		p.concern(types.NamespacedName{Namespace: name.Namespace, Name: typed.Spec.TenantRef.Name}, false)
	case *v1alpha1.Member:
		p.concern(tenantName(typed), false)
	case tenantObject:
		p.concern(tenantName(typed), true)
	}
}

func (p *planner) concern(tenant types.NamespacedName, whole bool) {
	p.tenants[tenant] = p.tenants[tenant] || whole
}

func (p *planner) referenceTo(object client.Object) plan.Reference {
	gvk, _ := p.after.GroupVersionKindFor(object) // it was put there
	return plan.Reference{Kind: gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
}

func (p *planner) remark(format string, arguments ...any) {
	p.plan.Remarks = append(p.plan.Remarks, fmt.Sprintf(format, arguments...))
}

// tellProblems compares what objects would say of themselves with what they say now.
func (p *planner) tellProblems(ctx context.Context) error {
	for _, list := range p.lists() {
		if err := p.eachConcerned(ctx, list, func(object status.Object) { p.tellProblem(ctx, object) }); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) tellProblem(ctx context.Context, object status.Object) {
	reference := p.referenceTo(object)
	ready := readiness(object)
	switch {
	case ready == nil || ready.Status == metav1.ConditionTrue || ready.Reason == v1alpha1.PendingReason:
		return
	case ready.Reason == v1alpha1.DeletionHeldReason && p.touched[reference]:
		p.plan.Held = append(p.plan.Held, plan.Held{Reference: reference, Message: ready.Message})
		return
	case ready.Reason == v1alpha1.UnavailableReason:
		p.remark("%s could not be checked: %s", reference, unchecked(object, ready.Message))
		return
	}
	before := object.DeepCopyObject().(status.Object)
	var was *metav1.Condition
	if p.now.Get(ctx, client.ObjectKeyFromObject(object), before) == nil {
		was = readiness(before)
	}
	isNew := was == nil || was.Reason != ready.Reason || was.Message != ready.Message
	if isNew || p.touched[reference] {
		p.plan.Problems = append(p.plan.Problems, plan.Problem{Reference: reference, Reason: ready.Reason, Message: ready.Message, New: isNew})
	}
}

// unchecked says what kept an object from being checked, in place of "it is tried again".
func unchecked(object status.Object, message string) string {
	for _, condition := range object.GetConditions() {
		if condition.Status == metav1.ConditionFalse && condition.Reason == v1alpha1.UnavailableReason {
			return condition.Message
		}
	}
	return message
}

// lists are empty lists of the kinds that controllers are tried out on.
func (p *planner) lists() []client.ObjectList {
	return []client.ObjectList{
		&v1alpha1.TenantList{}, &v1alpha1.SAMLAppList{}, &v1alpha1.LinkAppList{}, &v1alpha1.GroupList{}, &v1alpha1.MemberList{},
	}
}

// eachConcerned visits the objects of a kind that a change may concern.
func (p *planner) eachConcerned(ctx context.Context, list client.ObjectList, visit func(status.Object)) error {
	if err := p.after.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		object := item.(status.Object)
		concerned := false
		switch typed := object.(type) {
		case *v1alpha1.Tenant:
			concerned = p.tenants[client.ObjectKeyFromObject(typed)]
		case *v1alpha1.Member:
			whole, known := p.tenants[tenantName(typed)]
			concerned = known && (whole || p.touched[p.referenceTo(typed)])
		case tenantObject:
			_, concerned = p.tenants[tenantName(typed)]
		}
		if concerned {
			visit(object)
		}
		return nil
	})
}

// rememberingReader asks the cluster once for each thing.
type rememberingReader struct {
	client.Reader
	known map[string]remembered
}

type remembered struct {
	object client.Object
	err    error
}

// Get implements client.Reader.
func (r *rememberingReader) Get(ctx context.Context, name client.ObjectKey, into client.Object, options ...client.GetOption) error {
	key := fmt.Sprintf("%T %s %s", into, into.GetObjectKind().GroupVersionKind(), name)
	found, asked := r.known[key]
	if !asked {
		found.err = r.Reader.Get(ctx, name, into, options...)
		if found.object = into.DeepCopyObject().(client.Object); ctx.Err() == nil {
			r.known[key] = found
		}
	}
	if found.err != nil {
		return found.err
	}
	return assign(found.object.DeepCopyObject(), into)
}

// secretsAround reads Secrets that come with the manifests, and others as whoever plans.
type secretsAround struct {
	*overlay
	below client.Reader
}

// Get implements client.Reader.
func (s secretsAround) Get(ctx context.Context, name client.ObjectKey, into client.Object, options ...client.GetOption) error {
	err := s.overlay.Get(ctx, name, into, options...)
	if _, secret := into.(*corev1.Secret); secret && apierrors.IsNotFound(err) {
		return s.below.Get(ctx, name, into, options...)
	}
	return err
}

// readiness is an object's condition Ready, nil where it has none.
func readiness(object status.Object) *metav1.Condition {
	return meta.FindStatusCondition(object.GetConditions(), v1alpha1.ReadyCondition)
}
