/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/test/doubles/graph"
)

const (
	// leavers during the load, of whom every other one is deleted, and the others
	// are suspended. Keeping somebody out takes two writes: of the account, and the
	// end of its sessions.
	leavers      = 20
	leaverWrites = 2
	// replicationDelay is how long the service does not find what it made.
	replicationDelay = 2 * time.Second
)

// load is a bulk load of members into an Entra ID tenant.
type load struct {
	*lab
	there   *graph.Server
	members int
	// writes a second are the target's budget.
	writes int

	mu sync.Mutex
	// settled are the members who have got their account.
	settled map[string]bool
	// staying are those of them who do not leave, with the account's ID there.
	staying map[string]string
	// took is how long it took to keep leavers out.
	took []time.Duration
}

// measureProvisioning lets members who are live already get accounts in a service
// that throttles like Microsoft's, as far above the budget as that does; and has
// some of them leave meanwhile.
func measureProvisioning(ctx context.Context, members, writesPerSecond int, operator string) error {
	l, err := newLab()
	if err != nil {
		return err
	}
	defer l.close()
	process, err := l.startOperator(ctx, operator)
	if err != nil {
		return err
	}
	defer func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	}()
	if err := l.settle(ctx); err != nil {
		return err
	}
	if _, err := l.applyMembers(ctx, 0, members); err != nil {
		return err
	}
	// What Microsoft takes of one app in a small tenant, where 15 writes a second are the budget.
	scaled := func(limit int) int { return limit * writesPerSecond / 15 }
	there := graph.New(graph.Options{
		ReplicationDelay: replicationDelay, Limits: graph.Limits{Units: scaled(3500), Writes: scaled(3000)}, RetryAfter: "3",
	})
	defer there.Close()
	server := httptest.NewServer(there)
	defer server.Close()
	bulk := &load{lab: l, there: there, members: members, writes: writesPerSecond, staying: map[string]string{}, settled: map[string]bool{}}
	return bulk.measure(ctx, v1alpha1.Origin(server.URL))
}

func (b *load) measure(ctx context.Context, address v1alpha1.Origin) error {
	began := time.Now()
	if err := b.createTarget(ctx, address); err != nil {
		return err
	}
	dictated := time.Duration(float64(b.members+leavers*leaverWrites-b.writes) / float64(b.writes) * float64(time.Second))
	running, stop := context.WithCancel(ctx)
	defer stop()
	leaving, running := errgroup.WithContext(running)
	for i := range leavers {
		leaving.Go(func() error {
			// In the middle of the load, at any time.
			if err := pause(running, time.Duration((0.1+0.8*rand.Float64())*float64(dictated))); err != nil {
				return err
			}
			return b.leave(running, i%2 == 0)
		})
	}
	for b.count() < b.members {
		if err := b.watch(running); err != nil {
			return err
		}
	}
	whole := time.Since(began)
	if err := leaving.Wait(); err != nil {
		return err
	}
	b.report(whole, dictated)
	return nil
}

func (b *load) createTarget(ctx context.Context, address v1alpha1.Origin) error {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "entra"}
	secret := &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"clientSecret": []byte("secret")}}
	if err := b.Create(ctx, secret); err != nil {
		return err
	}
	return b.Create(ctx, &v1alpha1.ProvisioningTarget{ObjectMeta: meta, Spec: v1alpha1.ProvisioningTargetSpec{
		TenantRef: v1alpha1.TenantReference{Name: "acme"}, DeletionPolicy: v1alpha1.DeleteAccounts, WritesPerSecond: int32(b.writes), // #nosec G115 -- the API has a maximum
		EntraID: &v1alpha1.EntraID{
			TenantID: graph.DefaultTenantID, ClientID: graph.DefaultClientID, Domain: "acme.example",
			ClientSecretRef: &v1alpha1.SecretKeyReference{Name: secret.Name, Key: "clientSecret"},
			Endpoints:       &v1alpha1.EntraEndpoints{Login: address, Graph: address},
		},
	}})
}

// watch notes which accounts are as declared, until all are, or until the API
// server ends the watch.
func (b *load) watch(ctx context.Context) error {
	list := &v1alpha1.AccountList{}
	if err := b.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range list.Items {
		b.note(&list.Items[i])
	}
	watching, err := b.Watch(ctx, &v1alpha1.AccountList{}, client.InNamespace(namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	if err != nil {
		return err
	}
	defer watching.Stop()
	for b.count() < b.members {
		select {
		case event, open := <-watching.ResultChan():
			account, ok := event.Object.(*v1alpha1.Account)
			if !open || !ok {
				return ctx.Err()
			}
			b.note(account)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (b *load) note(account *v1alpha1.Account) {
	if account.Status.ExternalID == "" || account.Status.Error != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name := account.Spec.MemberRef.Name
	if !b.settled[name] {
		b.settled[name], b.staying[name] = true, account.Status.ExternalID
	}
}

func (b *load) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.settled)
}

// leave has somebody with an account leave, and waits until they are kept out.
func (b *load) leave(ctx context.Context, forGood bool) error {
	member, id, err := b.pick(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if forGood {
		err = b.Delete(ctx, member)
	} else {
		err = b.Patch(ctx, member, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspended":true}}`)))
	}
	if err != nil {
		return err
	}
	for {
		if user := b.there.User(id); user == nil || user["accountEnabled"] == false {
			break
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took = append(b.took, time.Since(began))
	return nil
}

// pick takes anybody with an account.
func (b *load) pick(ctx context.Context) (*v1alpha1.Member, string, error) {
	for {
		b.mu.Lock()
		for name, id := range b.staying {
			delete(b.staying, name)
			b.mu.Unlock()
			return &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, id, nil
		}
		b.mu.Unlock()
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, "", err
		}
	}
}

func (b *load) report(whole, dictated time.Duration) {
	fmt.Printf("(e) %d accounts made in Entra ID at %d writes per second; %d calls throttled\n", b.members, b.writes, b.there.Throttled())
	row("e", "bulk load against what the budget dictates", whole.Round(100*time.Millisecond).String(), dictated.Round(100*time.Millisecond).String(),
		float64(whole)/float64(dictated), 1.1)
	slices.Sort(b.took)
	fmt.Printf("(e) %d leavers meanwhile, from kubectl to kept out there: median %s, worst %s   aim: seconds\n", len(b.took),
		median(b.took).Round(10*time.Millisecond), b.took[len(b.took)-1].Round(10*time.Millisecond))
}
