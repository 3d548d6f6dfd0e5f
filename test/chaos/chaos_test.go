/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package chaos

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/test/doubles/graph"
	"tegata.dev/tegata/test/doubles/mdm"
	"tegata.dev/tegata/test/doubles/scimmy"
)

const (
	namespace = "acme"
	number    = 1000
	// enrolled of them have an account in the MDM too, chatting of them one in a
	// SCIM service: the leavers, and others than in the MDM.
	enrolled = 100
	chatting = 100
	// leavers have an account everywhere.
	leavers = 10
	// pace is between two kills.
	pace = 5 * time.Second
	// writesPerSecond is so low that the operator is killed several times before
	// all accounts are there.
	writesPerSecond = 30
	// tenthPerSecond is of the services that a tenth of the members are in.
	tenthPerSecond = 3
	// replicationDelay is longer than the operator takes to start: it does not find
	// what it made just before it was killed.
	replicationDelay = 8 * time.Second
	scimToken        = "the-scim-service's-token"
)

// world is a cluster with three services.
type world struct {
	*cluster
	entra *graph.Server
	mdm   *mdm.Server
	// chat is behind the gateway.
	chat    *scimmy.Service
	gateway *scimmy.Gateway
}

func inMDM(i int) bool { return i < enrolled }

func inChat(i int) bool { return i < leavers || enrolled <= i && i < enrolled+chatting-leavers }

// TestKilledEveryFiveSeconds while it makes 1,000 accounts, and then while it
// takes some away: in the end there is exactly what should be.
func TestKilledEveryFiveSeconds(t *testing.T) {
	w := &world{
		cluster: newCluster(t),
		entra:   graph.New(graph.Options{ReplicationDelay: replicationDelay, Limits: graph.Unlimited}),
		mdm:     mdm.New(mdm.Options{}),
		chat:    scimmy.Start(t, scimmy.Options{Folder: "../interop", Token: scimToken}),
	}
	w.gateway = w.chat.Lagging(t, replicationDelay)
	t.Cleanup(w.entra.Close)
	w.startOperator()
	t.Cleanup(w.stopOperator)
	w.settle()

	crowd := make(chan error, 1)
	began := time.Now()
	go func() { crowd <- w.crowd() }()
	w.killUntil(func() bool { return w.made() == number+enrolled+chatting })
	w.Expect(<-crowd).To(Succeed())
	w.Expect(w.kills).To(BeNumerically(">=", 5))
	w.settled(number, enrolled, chatting)
	w.Expect(w.entra.Deleted()).To(BeEmpty())
	t.Logf("%d accounts by %d calls after %d kills and %s", number, w.entra.Counts()["POST /users"], w.kills, time.Since(began).Round(time.Second))

	w.leave()
	w.settled(number-leavers, enrolled-leavers, chatting-leavers)
	w.Expect(w.entra.Deleted()).To(HaveLen(leavers))
	t.Logf("%d accounts after %d kills and %s", number-leavers, w.kills, time.Since(began).Round(time.Second))
}

// settle makes everything but the members.
func (w *world) settle() {
	w.t.Helper()
	address := w.freeAddress()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	tenant := v1alpha1.TenantReference{Name: "acme"}
	entra := w.serve(w.entra)
	w.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&v1alpha1.IdentityServer{ObjectMeta: meta("id"), Spec: v1alpha1.IdentityServerSpec{
			ExternalURL: "http://" + address, Embedded: &v1alpha1.EmbeddedServer{Listen: address},
			ProvisioningTargets: &v1alpha1.ProvisioningTargetNetworks{AllowedNetworks: []v1alpha1.CIDR{"127.0.0.0/8"}},
		}},
		&v1alpha1.Tenant{ObjectMeta: meta("acme"), Spec: v1alpha1.TenantSpec{
			IdentityServerRef: v1alpha1.IdentityServerReference{Name: "id"}, DisplayName: "株式会社アクメ",
		}},
		&corev1.Secret{ObjectMeta: meta("credentials"), Data: map[string][]byte{"secret": []byte("secret"), "token": []byte(mdm.DefaultToken), "chat": []byte(scimToken)}},
		&v1alpha1.ProvisioningTarget{ObjectMeta: meta("entra"), Spec: v1alpha1.ProvisioningTargetSpec{
			TenantRef: tenant, WritesPerSecond: writesPerSecond, DeletionPolicy: v1alpha1.DeleteAccounts,
			EntraID: &v1alpha1.EntraID{
				TenantID: graph.DefaultTenantID, ClientID: graph.DefaultClientID, Domain: "acme.example",
				ClientSecretRef: &v1alpha1.SecretKeyReference{Name: "credentials", Key: "secret"},
				Endpoints:       &v1alpha1.EntraEndpoints{Login: v1alpha1.Origin(entra), Graph: v1alpha1.Origin(entra)},
			},
		}},
		&v1alpha1.ProvisioningTarget{ObjectMeta: meta("mdm"), Spec: v1alpha1.ProvisioningTargetSpec{
			TenantRef: tenant, WritesPerSecond: tenthPerSecond, DeletionPolicy: v1alpha1.DeleteAccounts,
			MDM: &v1alpha1.MDM{REST: &v1alpha1.MDMREST{
				URL: v1alpha1.TargetURL(w.serve(w.mdm) + mdm.Path), TokenSecretRef: v1alpha1.SecretKeyReference{Name: "credentials", Key: "token"},
			}},
			Members: labelled("mdm"),
		}},
		&v1alpha1.ProvisioningTarget{ObjectMeta: meta("chat"), Spec: v1alpha1.ProvisioningTargetSpec{
			TenantRef: tenant, WritesPerSecond: tenthPerSecond, DeletionPolicy: v1alpha1.DisableAccounts,
			SCIM: &v1alpha1.SCIM{
				URL:            v1alpha1.TargetURL(w.gateway.URL),
				Authentication: v1alpha1.SCIMAuthentication{BearerTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "credentials", Key: "chat"}},
			},
			Members: labelled("chat"),
		}},
	)
}

// labelled are the members with the label name=yes.
func labelled(name string) *v1alpha1.TargetMembers {
	return &v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{name: "yes"}}}
}

// serve returns where a service listens.
func (w *world) serve(service http.Handler) string {
	server := httptest.NewServer(service)
	w.t.Cleanup(server.Close)
	return server.URL
}

func nameOf(i int) string { return fmt.Sprintf("member-%04d", i) }

// crowd makes the members.
func (w *world) crowd() error {
	var making errgroup.Group
	making.SetLimit(8)
	for i := range number {
		member := &v1alpha1.Member{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: nameOf(i)},
			Spec: v1alpha1.MemberSpec{
				TenantRef: v1alpha1.TenantReference{Name: "acme"}, Name: v1alpha1.PersonName{Family: "山田", Given: "太郎"},
				Mail: nameOf(i) + "@acme.example", Role: "Staff", PasswordSetup: "None",
			},
		}
		member.Labels = map[string]string{}
		if inMDM(i) {
			member.Labels["mdm"] = "yes"
		}
		if inChat(i) {
			member.Labels["chat"] = "yes"
		}
		making.Go(func() error { return w.k8s.Create(w.t.Context(), member) })
	}
	return making.Wait()
}

// made is how many accounts there are in the services.
func (w *world) made() int { return len(w.entra.Users()) + len(w.mdm.Users()) + w.gateway.Made() }

// killUntil kills the operator at the pace until something is done, each time as
// soon as a service has made one more account: what became of that one the
// operator never heard. A machine that is slow to start it is not killed forever.
func (w *world) killUntil(done func() bool) {
	w.t.Helper()
	const most = 12
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for w.kills < most && !done() {
		<-ticker.C
		before := w.made()
		w.Eventually(func() bool { return w.made() > before || done() }, patience, time.Millisecond).Should(BeTrue())
		w.kill()
	}
}

// leave deletes members, two at a time, and kills the operator as soon as one of
// them is gone from a service: what it did there it never heard of again.
func (w *world) leave() {
	w.t.Helper()
	for i := 0; i < leavers; i += 2 {
		for _, name := range []string{nameOf(i), nameOf(i + 1)} {
			w.Expect(w.k8s.Delete(w.t.Context(), &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})).To(Succeed())
		}
		left := func() int { return w.made() - w.gateway.Changed() }
		before := left()
		w.Eventually(left, patience, 2*time.Millisecond).Should(BeNumerically("<", before))
		w.kill()
	}
	w.Eventually(func(g Gomega) {
		receipts := &v1alpha1.OffboardingList{}
		g.Expect(w.k8s.List(w.t.Context(), receipts, client.InNamespace(namespace))).To(Succeed())
		g.Expect(receipts.Items).To(HaveLen(leavers))
		for i := range receipts.Items {
			receipt := &receipts.Items[i]
			g.Expect(receipt.Status.CompletedAt.IsZero()).To(BeFalse(), "%+v", receipt.Status)
			g.Expect(receipt.Status.SignInBlockedAt.IsZero()).To(BeFalse(), "%+v", receipt.Status)
			g.Expect(receipt.Status.Targets).To(ConsistOf(
				And(HaveField("Name", "entra"), HaveField("Outcome", v1alpha1.AccountRemoved)),
				And(HaveField("Name", "mdm"), HaveField("Outcome", v1alpha1.AccountRemoved)),
				And(HaveField("Name", "chat"), HaveField("Outcome", v1alpha1.AccountDisabled))))
			g.Expect(verdict(receipt)).To(Equal(status.CurrentStatus))
		}
	}, patience, glance).Should(Succeed())
}

// settled waits until everything is Current, and checks each account.
func (w *world) settled(members, withMDM, withChat int) {
	w.t.Helper()
	var accounts []v1alpha1.Account
	ids := map[string]string{}
	w.Eventually(func(g Gomega) {
		accounts = w.accounts(g, members+withMDM+withChat)
		list := &v1alpha1.MemberList{}
		g.Expect(w.k8s.List(w.t.Context(), list, client.InNamespace(namespace))).To(Succeed())
		g.Expect(list.Items).To(HaveLen(members))
		for i := range list.Items {
			g.Expect(verdict(&list.Items[i])).To(Equal(status.CurrentStatus))
			g.Expect(list.Items[i].Status.ProvisioningFailures).To(BeEmpty())
			ids[list.Items[i].Name] = list.Items[i].Status.ID
		}
		for name, synced := range map[string]int{"entra": members, "mdm": withMDM, "chat": withChat} {
			target := &v1alpha1.ProvisioningTarget{}
			g.Expect(w.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, target)).To(Succeed())
			g.Expect(verdict(target)).To(Equal(status.CurrentStatus), "%+v", target.Status)
			g.Expect(target.Status.Accounts).NotTo(BeNil())
			g.Expect(target.Status.Accounts.Synced).To(HaveValue(BeEquivalentTo(synced)))
		}
	}, patience, 5*glance).Should(Succeed())

	// By external ID: what the service has, and whose it is by what it carries.
	there := map[string]string{}
	for _, user := range w.entra.Users() {
		there["entra/"+user["id"].(string)] = user["onPremisesImmutableId"].(string)
	}
	w.Expect(there).To(HaveLen(members), "exactly so many")
	for _, user := range w.mdm.Users() {
		there["mdm/"+user.Text("id")] = user.Text("externalId")
	}
	w.Expect(there).To(HaveLen(members+withMDM), "exactly so many")
	all := w.chat.Users(w.t)
	w.Expect(all).To(HaveLen(chatting), "exactly so many; whoever left is disabled there")
	for _, user := range all {
		if user.Active {
			there["chat/"+user.ID] = user.ExternalID
		}
	}
	w.Expect(there).To(HaveLen(members+withMDM+withChat), "exactly so many")
	for i := range accounts {
		account := &accounts[i]
		id := ids[account.Spec.MemberRef.Name]
		w.Expect(id).NotTo(BeEmpty())
		if account.Spec.TargetRef.Name == "entra" {
			id = directory.ImmutableID(id)
		}
		key := account.Spec.TargetRef.Name + "/" + account.Status.ExternalID
		w.Expect(there).To(HaveKeyWithValue(key, id), "the account is the member's own")
		delete(there, key)
	}
	w.Expect(there).To(BeEmpty(), "each has exactly one Account")
}

// accounts are those that were not taken away, all of them Current.
func (w *world) accounts(g Gomega, number int) []v1alpha1.Account {
	list := &v1alpha1.AccountList{}
	g.Expect(w.k8s.List(w.t.Context(), list, client.InNamespace(namespace))).To(Succeed())
	var kept []v1alpha1.Account
	for i := range list.Items {
		account := &list.Items[i]
		g.Expect(verdict(account)).To(Equal(status.CurrentStatus), "%s: %+v", account.Name, account.Status)
		g.Expect(account.Status.Error).To(BeNil())
		if account.Status.RemovedAt.IsZero() {
			g.Expect(account.Status.State).To(Equal(v1alpha1.AccountActive))
			kept = append(kept, *account)
		}
	}
	g.Expect(kept).To(HaveLen(number))
	return kept
}

// verdict is how kstatus reads an object; Unknown where it cannot.
func verdict(object client.Object) status.Status {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return status.UnknownStatus
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		return status.UnknownStatus
	}
	return result.Status
}
