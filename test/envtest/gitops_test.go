/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
)

// The words of Argo CD.
const (
	healthy     = "Healthy"
	progressing = "Progressing"
	degraded    = "Degraded"
	suspended   = "Suspended"
)

// kstatusOf is the verdict of kstatus that goes with one of Argo CD.
var kstatusOf = map[string][]status.Status{
	healthy:     {status.CurrentStatus},
	suspended:   {status.CurrentStatus},
	progressing: {status.InProgressStatus, status.TerminatingStatus},
	degraded:    {status.FailedStatus},
}

// argocd is the ConfigMap patch that the documentation has people apply.
func argocd() map[string]string {
	patch := &corev1.ConfigMap{}
	if err := yaml.UnmarshalStrict(must(os.ReadFile(filepath.Join("..", "..", "config", "argocd", "argocd-cm.yaml"))), patch); err != nil {
		panic(err)
	}
	return patch.Data
}

// healthOf runs the script for the object's kind and holds it against kstatus.
func (p *place) healthOf(object client.Object) (health, message string) {
	p.t.Helper()
	u := p.unstructured(object)
	script := argocd()["resource.customizations.health.identity.tegata.dev_"+u.GetKind()]
	p.Expect(script).NotTo(BeEmpty(), "every kind has a script")
	result, ok := p.runLua(script, u).(*lua.LTable)
	p.Expect(ok).To(BeTrue())
	health, message = lua.LVAsString(result.RawGetString("status")), lua.LVAsString(result.RawGetString("message"))
	p.Expect(kstatusOf[health]).To(ContainElement(must(status.Compute(u)).Status), "%s is %s: %s", u.GetKind(), health, message)
	p.Expect(message).NotTo(BeEmpty())
	return health, message
}

func (p *place) unstructured(object client.Object) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: must(runtime.DefaultUnstructuredConverter.ToUnstructured(object))}
	u.SetGroupVersionKind(must(p.k8s.GroupVersionKindFor(object)))
	return u
}

// runLua runs the script as Argo CD does: the object is the global obj.
func (p *place) runLua(script string, u *unstructured.Unstructured) lua.LValue {
	p.t.Helper()
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", toLua(state, u.Object))
	p.Expect(state.DoString(script)).To(Succeed())
	return state.Get(-1)
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, entry := range value {
			table.RawSetString(key, toLua(state, entry))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, entry := range value {
			table.Append(toLua(state, entry))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case nil:
		return lua.LNil
	}
	panic(fmt.Sprintf("%T in an object", value))
}

// argocdActions are what Argo CD offers for a kind.
type argocdActions struct {
	Discovery   string `json:"discovery.lua"`
	Definitions []struct {
		Name   string `json:"name"`
		Script string `json:"action.lua"`
	} `json:"definitions"`
}

func (p *place) actionsOf(kind string) argocdActions {
	p.t.Helper()
	var actions argocdActions
	p.Expect(yaml.UnmarshalStrict([]byte(argocd()["resource.customizations.actions.identity.tegata.dev_"+kind]), &actions)).To(Succeed())
	return actions
}

// offered are the actions that can be clicked for an object as it is now.
func (p *place) offered(object client.Object) []string {
	p.t.Helper()
	p.refresh(object)
	u := p.unstructured(object)
	actions := p.actionsOf(u.GetKind())
	var names []string
	p.runLua(actions.Discovery, u).(*lua.LTable).ForEach(func(name, how lua.LValue) {
		p.Expect(actions.Definitions).To(ContainElement(HaveField("Name", name.String())))
		if how.(*lua.LTable).RawGetString("disabled") == lua.LFalse {
			names = append(names, name.String())
		}
	})
	slices.Sort(names)
	return names
}

// action does what Argo CD does when somebody clicks: it runs the script and
// writes the changed spec and annotations.
func (p *place) action(object client.Object, name string) {
	p.t.Helper()
	p.Expect(p.offered(object)).To(ContainElement(name))
	u := p.unstructured(object)
	for _, definition := range p.actionsOf(u.GetKind()).Definitions {
		if definition.Name != name {
			continue
		}
		changed := p.runLua(definition.Script, u).(*lua.LTable)
		annotations, _ := changed.RawGetString("metadata").(*lua.LTable).RawGetString("annotations").(*lua.LTable)
		wanted := changed.RawGetString("spec").(*lua.LTable).RawGetString("suspended")
		p.change(object, func() {
			if member, is := object.(*v1alpha1.Member); is {
				member.Spec.Suspended = nil
				if wanted != lua.LNil {
					member.Spec.Suspended = ptrTo(lua.LVAsBool(wanted))
				}
			}
			if annotations != nil {
				written := map[string]string{}
				annotations.ForEach(func(key, value lua.LValue) { written[key.String()] = value.String() })
				object.SetAnnotations(written)
			}
		})
		return
	}
	p.t.Fatalf("no action %s", name)
}

// everyKind is one object of each kind, beside the IdentityServer and Tenant.
func (p *place) everyKind() []client.Object {
	return []client.Object{p.member("yamada", temporary), p.group("sales", administrator("yamada")), p.samlApp("wiki"), p.linkApp("rules")}
}

func TestGitOpsHealth(t *testing.T) {
	p := newNamespace(t)
	all := append([]client.Object{p.identityServer(), p.tenant()}, p.everyKind()...)

	for _, object := range all {
		seen := object.DeepCopyObject().(client.Object)
		p.Expect(p.k8s.Create(ctx, seen, client.DryRunAll)).To(Succeed())
		health, message := p.healthOf(seen)
		p.Expect(health).To(Equal(progressing), "before the operator has looked")
		p.Expect(message).To(Equal("Waiting for the operator."))
	}

	p.create(all...)
	for _, object := range all {
		p.Eventually(func() string { p.refresh(object); health, _ := p.healthOf(object); return health }, patience, glance).Should(Equal(healthy), "%T", object)
		stale := object.DeepCopyObject().(client.Object)
		stale.SetGeneration(stale.GetGeneration() + 1)
		health, _ := p.healthOf(stale)
		p.Expect(health).To(Equal(progressing), "a status of an older generation says nothing")
	}

	t.Run("needs a person", func(*testing.T) {
		second := p.member("sato", func(m *v1alpha1.Member) { m.Spec.Mail = "yamada@" + p.namespace + ".example" })
		p.create(second)
		said := p.stalled(second, v1alpha1.ConflictReason)
		health, message := p.healthOf(second)
		p.Expect(health).To(Equal(degraded))
		p.Expect(message).To(Equal(said))
	})
	t.Run("waits", func(*testing.T) {
		other := newNamespace(t)
		server, member := other.deployedServer(), other.member("suzuki")
		other.create(server, other.tenant(), member)
		other.waiting(server, v1alpha1.RollingOutReason)
		other.waiting(member, v1alpha1.IdentityServerNotReadyReason)
		for _, object := range []client.Object{server, member} {
			health, _ := other.healthOf(object)
			other.Expect(health).To(Equal(progressing))
		}
	})
	t.Run("goes", func(*testing.T) {
		leaving := p.linkApp("leaving")
		leaving.Finalizers = []string{"test.example/keep"}
		p.create(leaving)
		p.current(leaving)
		p.Expect(p.k8s.Delete(ctx, leaving)).To(Succeed())
		p.refresh(leaving)
		health, message := p.healthOf(leaving)
		p.Expect(health).To(Equal(progressing))
		p.Expect(message).To(HavePrefix("Being deleted."))
		p.change(leaving, func() { leaving.Finalizers = nil })
	})
}

func TestGitOpsActions(t *testing.T) {
	p := newPlace(t)
	member := p.member("yamada", temporary)
	p.create(member)
	p.current(member)
	first := p.temporaryPassword(member)

	p.action(member, "reset-password")
	p.Eventually(func(g Gomega) {
		p.refresh(member)
		g.Expect(member.Status.Password.LastReset).To(Equal(member.Annotations[v1alpha1.ResetPasswordAnnotation]))
	}, patience, glance).Should(Succeed())
	p.current(member)
	p.Expect(p.temporaryPassword(member)).NotTo(Equal(first))

	p.action(member, "suspend")
	p.Eventually(func() string { p.refresh(member); health, _ := p.healthOf(member); return health }, patience, glance).Should(Equal(suspended))
	p.Expect(member.Status.State).To(Equal(v1alpha1.MemberSuspended))

	p.action(member, "resume")
	p.Eventually(func() string { p.refresh(member); health, _ := p.healthOf(member); return health }, patience, glance).Should(Equal(healthy))
	p.Expect(member.Status.State).To(Equal(v1alpha1.MemberPasswordPending))
}

// appliedBy is when the two managers last wrote, and what.
func appliedBy(u *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	return slices.DeleteFunc(u.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager != "flux" && entry.Manager != "argocd"
	})
}

// What is applied again, by the same manager or by two in turn, is not written,
// and nobody fills in what the manifest does not say.
func TestGitOpsAppliesWriteNothing(t *testing.T) {
	p := newNamespace(t)
	for _, object := range append([]client.Object{p.identityServer(), p.tenant()}, p.everyKind()...) {
		manifest := p.unstructured(object)
		unstructured.RemoveNestedField(manifest.Object, "status")
		unstructured.RemoveNestedField(manifest.Object, "metadata", "creationTimestamp")
		apply := func(manager string) {
			p.Expect(p.k8s.Apply(ctx, client.ApplyConfigurationFromUnstructured(manifest.DeepCopy()), client.FieldOwner(manager))).To(Succeed())
		}
		apply("flux")
		apply("argocd")
		p.Eventually(func() string { p.refresh(object); health, _ := p.healthOf(object); return health }, patience, glance).Should(Equal(healthy), "%T", object)

		before := p.unstructured(object)
		p.Expect(appliedBy(before)).To(HaveLen(2))
		for range 2 {
			apply("flux")
			apply("argocd")
		}
		after := manifest.DeepCopy()
		p.refresh(after)
		p.Expect(after.GetGeneration()).To(BeEquivalentTo(1), manifest.GetKind())
		p.Expect(after.Object["spec"]).To(Equal(manifest.Object["spec"]), manifest.GetKind())
		// Counts in the status may have settled meanwhile; the two managers wrote nothing.
		p.Expect(appliedBy(after)).To(Equal(appliedBy(before)))
	}
}
