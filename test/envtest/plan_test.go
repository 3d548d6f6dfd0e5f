/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/test/doubles/mdm"
)

// plugin is the plugin's binary, built once.
var plugin = sync.OnceValue(func() string {
	binary := filepath.Join(sharedData, "kubectl-tegata")
	if output, err := exec.Command("go", "build", "-o", binary, "tegata.dev/tegata/cmd/kubectl-tegata").CombinedOutput(); err != nil {
		panic(string(output))
	}
	return binary
})

// pipeline is a user who plans in one namespace with what config/rbac/planner.yaml grants.
type pipeline struct {
	*place
	folder, kubeconfig string
}

func (p *place) newPipeline() *pipeline { return p.newPipelineNamed("planner") }

func (p *place) newPipelineNamed(name string, adjust ...func(*rbacv1.ClusterRole)) *pipeline {
	p.t.Helper()
	name += "-" + p.namespace
	role := &rbacv1.ClusterRole{}
	p.Expect(yaml.UnmarshalStrict(must(os.ReadFile(filepath.Join("..", "..", "config", "rbac", "planner.yaml"))), role)).To(Succeed())
	for _, change := range adjust {
		change(role)
	}
	p.create(&rbacv1.Role{ObjectMeta: p.meta(name), Rules: role.Rules}, &rbacv1.RoleBinding{
		ObjectMeta: p.meta(name), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})
	user := must(p.environment.AddUser(envtest.User{Name: name}, nil))
	folder := p.t.TempDir()
	l := &pipeline{place: p, folder: filepath.Join(folder, "manifests"), kubeconfig: filepath.Join(folder, "kubeconfig")}
	p.Expect(os.Mkdir(l.folder, 0o700)).To(Succeed())
	p.Expect(os.WriteFile(l.kubeconfig, must(user.KubeConfig()), 0o600)).To(Succeed())
	return l
}

// manifest is an object as people write it.
func (p *place) manifest(object client.Object) *unstructured.Unstructured {
	content := must(runtime.DefaultUnstructuredConverter.ToUnstructured(object))
	delete(content, "status")
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(must(p.k8s.GroupVersionKindFor(object)))
	for _, ofServer := range []string{"creationTimestamp", "finalizers", "generation", "managedFields", "resourceVersion", "uid"} {
		unstructured.RemoveNestedField(content, "metadata", ofServer)
	}
	return u
}

// declare writes the manifests into the folder, in place of those before.
func (l *pipeline) declare(objects ...client.Object) {
	l.t.Helper()
	l.Expect(os.RemoveAll(l.folder)).To(Succeed())
	l.Expect(os.Mkdir(l.folder, 0o700)).To(Succeed())
	for _, object := range objects {
		u := l.manifest(object)
		l.Expect(os.WriteFile(filepath.Join(l.folder, u.GetKind()+"-"+u.GetName()+".yaml"), must(yaml.Marshal(u.Object)), 0o600)).To(Succeed())
	}
}

// apply applies the objects as kubectl does with --server-side.
func (p *place) apply(objects ...client.Object) {
	p.t.Helper()
	for _, object := range objects {
		u := p.manifest(object)
		body := must(json.Marshal(u))
		p.Expect(p.k8s.Patch(ctx, u, client.RawPatch(types.ApplyPatchType, body), client.ForceOwnership, client.FieldOwner("kubectl"))).To(Succeed())
	}
}

// plan runs the plugin and returns what it prints and its exit code.
func (l *pipeline) plan(arguments ...string) (string, int) {
	l.t.Helper()
	arguments = append([]string{"plan", "--kubeconfig", l.kubeconfig, "--namespace", l.namespace, "-f", l.folder}, arguments...)
	command := exec.CommandContext(ctx, plugin(), arguments...)
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	err := command.Run()
	exit := &exec.ExitError{}
	if errors.As(err, &exit) {
		l.t.Logf("exit code %d: %s", exit.ExitCode(), complaints.String())
		return out.String(), exit.ExitCode()
	}
	l.Expect(err).NotTo(HaveOccurred(), complaints.String())
	return out.String(), 0
}

// planned is the plan as programs read it.
func (l *pipeline) planned(arguments ...string) (plan.Plan, int) {
	l.t.Helper()
	out, code := l.plan(append(arguments, "-o", "json")...)
	var made plan.Plan
	l.Expect(json.Unmarshal([]byte(out), &made)).To(Succeed(), out)
	return made, code
}

// versions are the resource versions of everything of ours in the namespace.
func (p *place) versions() map[string]string {
	found := map[string]string{}
	for _, list := range []client.ObjectList{
		&v1alpha1.IdentityServerList{}, &v1alpha1.TenantList{}, &v1alpha1.MemberList{}, &v1alpha1.GroupList{}, &v1alpha1.SAMLAppList{},
		&v1alpha1.LinkAppList{}, &v1alpha1.ProvisioningTargetList{}, &v1alpha1.AccountList{}, &v1alpha1.OffboardingList{},
	} {
		p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
		p.Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			gvk := must(p.k8s.GroupVersionKindFor(object))
			found[gvk.Kind+" "+object.GetName()] = object.GetResourceVersion()
			return nil
		})).To(Succeed())
	}
	return found
}

// written are the calls of an MDM that are no reading ones, by method.
func written(service *mdm.Server) []string {
	var methods []string
	for _, call := range service.Calls() {
		if call.Method != "GET" {
			methods = append(methods, call.Method)
		}
	}
	slices.Sort(methods)
	return methods
}

func accountsOf(made plan.Plan, target string) map[string]plan.Account {
	found := map[string]plan.Account{}
	for _, t := range made.Targets {
		if t.Name != target {
			continue
		}
		for _, account := range t.Accounts {
			found[account.Member] = account
		}
	}
	return found
}

func effectsOf(made plan.Plan) map[string]plan.Effect {
	found := map[string]plan.Effect{}
	for _, effect := range made.Effects {
		found[effect.Member] = effect
	}
	return found
}

// TestPlan tells what happens when the manifests are applied, and writes nothing
// before they are.
func TestPlan(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{})
	l := p.newPipeline()
	taro, hanako, jiro, saburo, goro := p.member("taro", withMDM), p.member("hanako", withMDM), p.member("jiro", withMDM), p.member("saburo", withMDM), p.member("goro")
	sales, it := p.group("sales", administrator("taro"), v1alpha1.GroupMember{MemberRef: v1alpha1.MemberReference{Name: "goro"}}), p.group("it", administrator("taro"))
	wiki := p.samlApp("wiki")
	wiki.Spec.Access = &v1alpha1.AppAccess{Groups: []v1alpha1.GroupReference{{Name: "sales"}}}
	p.create(secret)
	p.apply(taro, hanako, jiro, saburo, goro, sales, it, wiki, target)
	p.synced(target, 4)
	p.current(p.member("goro"), p.group("sales"), p.group("it"), p.samlApp("wiki"))

	// What is declared and stands so already is no change; who is not declared goes only with --prune.
	l.declare(taro, hanako, jiro, goro, sales, it, wiki, target)
	made, code := l.planned("--exit-code")
	p.Expect(code).To(Equal(0), "%+v", made)
	p.Expect(made.Empty()).To(BeTrue())

	hanako.Spec.Name.Family = "佐藤"
	jiro.Spec.Suspended = ptrTo(true)
	sales.Spec.Members = sales.Spec.Members[:1]
	it.Spec.Members = append(it.Spec.Members, v1alpha1.GroupMember{MemberRef: v1alpha1.MemberReference{Name: "goro"}}, v1alpha1.GroupMember{MemberRef: v1alpha1.MemberReference{Name: "nobody"}})
	shiro := p.member("shiro", withMDM)
	double := p.member("double", func(m *v1alpha1.Member) { m.Spec.Mail = taro.Spec.Mail })
	declared := []client.Object{taro, hanako, jiro, goro, sales, it, wiki, target, shiro, double}
	l.declare(declared...)
	before := p.versions()
	service.Forget()
	prune := []string{"--prune", "-l", "mdm=yes"}
	made, code = l.planned(append(prune, "--exit-code")...)
	p.Expect(code).To(Equal(2))

	accounts := accountsOf(made, "mdm")
	p.Expect(accounts).To(HaveLen(4), "%+v", made)
	p.Expect(accounts["hanako"].Action).To(BeEquivalentTo("Update"))
	p.Expect(accounts["hanako"].Changes).To(ContainElement(And(HaveField("From", ContainSubstring("山田")), HaveField("To", ContainSubstring("佐藤")))))
	p.Expect(accounts["jiro"].Changes).To(ConsistOf(plan.Change{Property: "(active)", From: "true", To: "false"}))
	p.Expect(accounts["saburo"].Action).To(BeEquivalentTo("Delete"))
	p.Expect(accounts["saburo"].Held).To(BeFalse())
	p.Expect(accounts["shiro"].Action).To(BeEquivalentTo("Create"))
	effects := effectsOf(made)
	p.Expect(effects["goro"].Loses).To(ConsistOf("app SAMLApp/wiki", "group sales (User)"))
	p.Expect(effects["goro"].Gains).To(ConsistOf("group it (User)"))
	p.Expect(effects["jiro"].Loses).To(ConsistOf("log-in"))
	p.Expect(effects["saburo"].Loses).To(ContainElement("log-in"))
	p.Expect(effects["shiro"].Gains).To(ContainElement("log-in"))
	p.Expect(effects).NotTo(HaveKey("double"))
	problems := map[string]plan.Problem{}
	for _, problem := range made.Problems {
		problems[problem.Name] = problem
	}
	p.Expect(problems["double"].Reason).To(Equal(v1alpha1.ConflictReason))
	p.Expect(problems["it"].Message).To(ContainSubstring(`member "nobody" does not exist`))
	p.Expect(problems).To(HaveLen(2))

	for _, output := range []string{"text", "markdown"} {
		out, _ := l.plan(append(prune, "-o", output)...)
		p.Expect(out).To(ContainSubstring("佐藤"))
		p.Expect(out).NotTo(ContainSubstring(mdm.DefaultToken))
		again, _ := l.plan(append(prune, "-o", output)...)
		p.Expect(again).To(Equal(out), "the order is stable")
	}
	p.Expect(p.versions()).To(Equal(before), "nothing was written to the API server")
	p.Expect(written(service)).To(BeEmpty(), "nothing was written to the service")

	p.apply(declared...)
	p.remove(saburo)
	p.gone(saburo)
	p.synced(target, 4)
	for name, problem := range problems {
		object := map[string]client.Object{"double": double, "it": it}[name]
		p.Expect(p.stalledOrWaiting(object, problem.Reason)).To(Equal(problem.Message))
	}
	p.Eventually(func() int { return len(written(service)) }, patience, glance).Should(Equal(len(accounts)), "as many writes as accounts in the plan: %v", written(service))
	users := map[string]mdm.User{}
	for _, user := range service.Users() {
		local, _, _ := strings.Cut(user.Text("mail"), "@")
		users[local] = user
	}
	p.Expect(users).To(HaveLen(4))
	p.Expect(users).NotTo(HaveKey("saburo"))
	p.Expect(users["jiro"].Active()).To(BeFalse())
	p.Expect(users["shiro"].Active()).To(BeTrue())
	for _, change := range accounts["hanako"].Changes {
		p.Expect(users["hanako"].Text(change.Property)).To(Equal(change.To))
	}
	made, _ = l.planned()
	p.Expect(made.Empty()).To(BeTrue(), "%+v", made)
}

// stalledOrWaiting is stalled for whichever kind.
func (p *place) stalledOrWaiting(object client.Object, reason string) string {
	switch typed := object.(type) {
	case *v1alpha1.Member:
		return p.stalled(typed, reason)
	case *v1alpha1.Group:
		return p.stalled(typed, reason)
	}
	return ""
}
