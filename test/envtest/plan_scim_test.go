/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/scimmy"
)

const scimToken = "the-scim-service's-token"

// scimService is a SCIM service that others wrote (scimmy), and what it was asked.
type scimService struct {
	p   *place
	url string

	// broken: it answers 500 where groups are listed.
	broken atomic.Bool
	mu     sync.Mutex
	asked  []string // for example "GET /scim/v2/Groups"
}

// newSCIM starts a service, with a target for everybody and for groups with the
// label chat=yes.
func (p *place) newSCIM() (*scimService, *v1alpha1.ProvisioningTarget, *corev1.Secret) {
	p.t.Helper()
	behind := scimmy.Start(p.t, scimmy.Options{Folder: "../interop", Token: scimToken})
	service := &scimService{p: p}
	address := must(url.Parse(behind.URL))
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = address.Scheme, address.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service.mu.Lock()
		service.asked = append(service.asked, r.Method+" "+r.URL.Path)
		service.mu.Unlock()
		if service.broken.Load() && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Groups") {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	p.t.Cleanup(server.Close)
	service.url = server.URL + address.Path

	idp := p.identityServer()
	p.change(idp, func() {
		idp.Spec.ProvisioningTargets = &v1alpha1.ProvisioningTargetNetworks{AllowedNetworks: []v1alpha1.CIDR{"127.0.0.0/8"}}
	})
	secret := &corev1.Secret{ObjectMeta: p.meta("chat"), Data: map[string][]byte{"token": []byte(scimToken)}}
	return service, &v1alpha1.ProvisioningTarget{
		ObjectMeta: p.meta("chat"),
		Spec: v1alpha1.ProvisioningTargetSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"}, DeletionPolicy: v1alpha1.DeleteAccounts, WritesPerSecond: 1000,
			SCIM: &v1alpha1.SCIM{URL: v1alpha1.TargetURL(service.url), Authentication: v1alpha1.SCIMAuthentication{
				BearerTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "chat", Key: "token"},
			}},
			Groups: &v1alpha1.TargetGroups{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"chat": "yes"}}},
		},
	}, secret
}

// calls are what the service was asked since the last time.
func (s *scimService) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// byHand is a call of somebody who administers the service.
func (s *scimService) byHand(method, path string, body any) map[string]any {
	s.p.t.Helper()
	var encoded []byte
	if body != nil {
		encoded = must(json.Marshal(body))
	}
	request := must(http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(encoded)))
	request.Header = http.Header{"Authorization": {"Bearer " + scimToken}, "Content-Type": {"application/scim+json"}, "Accept": {"application/scim+json"}}
	response := must(http.DefaultClient.Do(request))
	defer func() { _ = response.Body.Close() }() // read
	var answer map[string]any
	s.p.Expect(json.NewDecoder(response.Body).Decode(&answer)).To(Succeed())
	s.p.Expect(response.StatusCode).To(BeNumerically("<", 300), "%v", answer)
	return answer
}

// groups are the members' user names of each group, sorted, by display name.
func (s *scimService) groups() map[string][]string {
	s.p.t.Helper()
	list := func(path string, visit func(map[string]any)) {
		resources, _ := s.byHand(http.MethodGet, path, nil)["Resources"].([]any)
		for _, each := range resources {
			resource, _ := each.(map[string]any)
			visit(resource)
		}
	}
	names, found := map[string]string{}, map[string][]string{}
	list("/Users", func(user map[string]any) { names[user["id"].(string)] = user["userName"].(string) })
	list("/Groups", func(group map[string]any) {
		users := []string{}
		members, _ := group["members"].([]any)
		for _, member := range members {
			users = append(users, names[member.(map[string]any)["value"].(string)])
		}
		slices.Sort(users)
		found[group["displayName"].(string)] = users
	})
	return found
}

// chatGroup is a group that the service should have.
func (p *place) chatGroup(name, displayName string, members ...string) *v1alpha1.Group {
	group := p.group(name)
	group.Labels, group.Spec.DisplayName = map[string]string{"chat": "yes"}, displayName
	for i, member := range members {
		one := v1alpha1.GroupMember{MemberRef: v1alpha1.MemberReference{Name: member}}
		if i == 0 {
			one.Role = "Administrator"
		}
		group.Spec.Members = append(group.Spec.Members, one)
	}
	return group
}

func groupsOf(made plan.Plan) map[string]plan.Group {
	found := map[string]plan.Group{}
	for _, target := range made.Targets {
		for _, group := range target.Groups {
			found[group.Group] = group
		}
	}
	return found
}

// onlyRead tells that calls wrote nothing.
func onlyRead(calls []string) bool {
	return !slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") })
}

// TestPlanOfGroups tells which groups a service that others wrote would gain,
// lose and have renamed, and whom in them, before anything is written to it.
func TestPlanOfGroups(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newSCIM()
	l := p.newPipeline()
	taro, hanako, jiro := p.member("taro"), p.member("hanako"), p.member("jiro")
	sales, it := p.chatGroup("sales", "営業部", "taro", "jiro"), p.chatGroup("it", "IT", "taro")
	private := p.group("private", administrator("taro"))
	for _, prunable := range []client.Object{jiro, it, target} {
		prunable.SetLabels(map[string]string{"chat": "yes", "prune": "yes"})
	}
	p.create(secret)

	// The manifests bring the target: its keys are sent nowhere.
	l.declare(taro, hanako, jiro, sales, it, private, target)
	first, _ := l.planned()
	p.Expect(first.Targets).To(HaveLen(1))
	p.Expect(first.Targets[0].FromStatus).To(BeTrue())
	p.Expect(service.calls()).To(BeEmpty())
	asked, code := l.planned("--ask-changed-targets", "--exit-code")
	p.Expect(code).To(Equal(2))
	p.Expect(service.calls()).To(And(ContainElement("GET /scim/v2/Groups"), Satisfy(onlyRead)))
	p.Expect(groupsOf(asked)).To(Equal(map[string]plan.Group{
		"sales": {Group: "sales", DisplayName: "営業部", Action: provision.Create, Joins: []string{"jiro", "taro"}},
		"it":    {Group: "it", DisplayName: "IT", Action: provision.Create, Joins: []string{"taro"}},
	}))
	p.Expect(groupsOf(first)).To(Equal(groupsOf(asked)))

	p.apply(taro, hanako, jiro, sales, it, private, target)
	p.synced(target, 3)
	p.groupsMade(target, 2)
	p.Eventually(service.groups, patience, glance).Should(Equal(map[string][]string{"営業部": {jiro.Spec.Mail, taro.Spec.Mail}, "IT": {taro.Spec.Mail}}))
	made, code := l.planned("--exit-code")
	p.Expect(code).To(Equal(0), "%+v", made)

	// What somebody did there is put right, too; groups of others are left alone.
	visitor := service.byHand(http.MethodPost, "/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "visitor"})
	service.byHand(http.MethodPost, "/Groups", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": "theirs"})
	p.syncNow(target, "visitor")
	p.Expect(p.unmanaged()).To(HaveLen(1))
	groups, _ := service.byHand(http.MethodGet, "/Groups", nil)["Resources"].([]any)
	for _, each := range groups {
		if group, _ := each.(map[string]any); group["displayName"] == "営業部" {
			service.byHand(http.MethodPatch, "/Groups/"+group["id"].(string), map[string]any{
				"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
				"Operations": []any{map[string]any{"op": "add", "path": "members", "value": []any{map[string]any{"value": visitor["id"]}}}},
			})
		}
	}

	shiro := p.member("shiro")
	renamed, dev := p.chatGroup("sales", "営業一部", "taro", "hanako"), p.chatGroup("dev", "Dev | <b>", "shiro", "taro")
	declared := []client.Object{taro, hanako, renamed, dev, private, target, shiro}
	l.declare(declared...)
	before := p.versions()
	service.calls()
	prune := []string{"--prune", "-l", "prune=yes", "--exit-code"}
	made, code = l.planned(prune...)
	p.Expect(code).To(Equal(2))
	p.Expect(groupsOf(made)).To(Equal(map[string]plan.Group{
		"sales": {Group: "sales", DisplayName: "営業一部", Formerly: "営業部", Action: provision.Update, Joins: []string{"hanako"}, Leaves: []string{"jiro", "visitor"}},
		"it":    {Group: "it", DisplayName: "IT", Action: provision.Delete},
		"dev":   {Group: "dev", DisplayName: "Dev | <b>", Action: provision.Create, Joins: []string{"shiro", "taro"}},
	}))
	p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{"jiro": provision.Delete, "shiro": provision.Create}))
	text, _ := l.plan(prune...)
	p.Expect(text).To(And(ContainSubstring("(3 groups change)"), ContainSubstring("  + Create group dev (Dev | <b>)\n      members: + shiro\n"), ContainSubstring("  - Delete group it (IT)\n"),
		ContainSubstring("  ! Update group sales (営業一部)\n      displayName: \"営業部\" -> \"営業一部\"\n      members: - jiro\n      members: - visitor\n      members: + hanako\n"),
		ContainSubstring("2 accounts, 3 groups and 0 domains in services")))
	markdown, _ := l.plan(append(prune, "-o", "markdown")...)
	p.Expect(markdown).To(And(ContainSubstring("| ProvisioningTarget "+p.namespace+"/chat, groups | 1 | 1 | 1 | 0 |"), ContainSubstring("```diff\n+ Create group dev (Dev | <b>)\n")))
	p.Expect(text + markdown).NotTo(ContainSubstring(scimToken))
	p.Expect(service.calls()).To(And(ContainElement("GET /scim/v2/Groups"), Satisfy(onlyRead)))
	p.Expect(p.versions()).To(Equal(before))

	// Who may not ask the service is told the same, but for what was done there by hand.
	offline, _ := l.planned(append(prune, "--offline-targets")...)
	p.Expect(service.calls()).To(BeEmpty())
	remembered := groupsOf(made)
	sold := remembered["sales"]
	sold.Leaves = []string{"jiro"}
	remembered["sales"] = sold
	p.Expect(groupsOf(offline)).To(Equal(remembered))

	p.apply(declared...)
	p.remove(jiro, it)
	p.gone(jiro, it)
	p.Eventually(service.groups, patience, glance).Should(Equal(map[string][]string{
		"営業一部": {hanako.Spec.Mail, taro.Spec.Mail}, "Dev | <b>": {shiro.Spec.Mail, taro.Spec.Mail}, "theirs": {},
	}))
	p.groupsMade(target, 2)
	made, code = l.planned(prune...)
	p.Expect(code).To(Equal(0), "%+v", made)
	l.declare(append(declared, p.linkApp("handbook"))...)
	for _, arguments := range [][]string{nil, {"--offline-targets"}} {
		made, _ = l.planned(arguments...)
		p.Expect(groupsOf(made)).To(BeEmpty(), "what is there stays")
		p.Expect(made.Targets).To(HaveLen(1))
	}

	// Without the target nobody keeps its groups.
	l.declare(taro, hanako, renamed, dev, private, shiro)
	made, _ = l.planned(prune...)
	p.Expect(made.Targets).To(ConsistOf(HaveField("Remarks", ConsistOf(ContainSubstring("its accounts and groups stay in the service")))))
}

// groupsMade waits until a target has so many groups in its service.
func (p *place) groupsMade(target *v1alpha1.ProvisioningTarget, number int32) {
	p.t.Helper()
	p.Eventually(func() *int32 { p.refresh(target); return target.Status.Groups }, patience, glance).Should(HaveValue(Equal(number)))
}

// TestPlanOfGroupsThatCannotBeRead goes on with the accounts, and says so.
func TestPlanOfGroupsThatCannotBeRead(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newSCIM()
	l := p.newPipeline()
	p.create(secret)
	p.apply(target)
	p.current(target)
	l.declare(p.member("taro"), p.chatGroup("sales", "営業部", "taro"), target)
	service.broken.Store(true)
	made, code := l.planned("--exit-code")
	p.Expect(code).To(Equal(2))
	p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{"taro": provision.Create}))
	p.Expect(groupsOf(made)).To(BeEmpty())
	p.Expect(made.Targets[0].FromStatus).To(BeFalse())
	p.Expect(made.Targets[0].Remarks).To(ConsistOf(HavePrefix("What becomes of groups in the service was not found out: ")))
	p.Expect(service.calls()).To(Satisfy(onlyRead))
}

// TestPlanOfGroupsElsewhere: manifests that move a target have its keys sent
// nowhere, and its groups are told from what is known.
func TestPlanOfGroupsElsewhere(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newSCIM()
	l := p.newPipeline()
	taro := p.member("taro")
	p.create(secret)
	p.apply(taro, p.chatGroup("sales", "営業部", "taro"), target)
	p.synced(target, 1)
	p.Eventually(service.groups, patience, glance).Should(Equal(map[string][]string{"営業部": {taro.Spec.Mail}}))
	p.groupsMade(target, 1)
	var asked atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(thief.Close)
	moved := target.DeepCopy()
	moved.Spec.SCIM.URL = v1alpha1.TargetURL(thief.URL + "/scim/v2")
	l.declare(taro, p.chatGroup("sales", "営業一部", "taro"), moved)
	service.calls()
	made, _ := l.planned()
	p.Expect(groupsOf(made)).To(Equal(map[string]plan.Group{"sales": {Group: "sales", DisplayName: "営業一部", Formerly: "営業部", Action: provision.Update}}))
	p.Expect(made.Targets[0].FromStatus).To(BeTrue())
	p.Expect(made.Targets[0].Remarks).To(ConsistOf(ContainSubstring("--ask-changed-targets")))
	p.Expect(service.calls()).To(BeEmpty())
	p.Expect(asked.Load()).To(BeZero())
	l.planned("--ask-changed-targets")
	p.Expect(asked.Load()).NotTo(BeZero())
}
