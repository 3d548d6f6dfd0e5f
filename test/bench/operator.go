/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	// applyWriters is how many creates are under way at once, in both runs.
	applyWriters = 16
	// floorWriters is as many as the operator's member workers.
	floorWriters = 32
	namespace    = "bench"
	rawNamespace = "bench-floor"
)

// lab is a real API server with the operator's binary beside it.
type lab struct {
	client.WithWatch
	environment *envtest.Environment
	directory   string
}

func measureOperator(ctx context.Context, members, resident int, operator string) error {
	l, err := newLab()
	if err != nil {
		return err
	}
	defer l.close()
	floor, err := l.measureFloor(ctx, members)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
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
	whole, err := l.applyMembers(ctx, 0, members)
	if err != nil {
		return err
	}
	fmt.Printf("(b) %d members from apply to all Ready in %s, %.0f per second\n", members, whole.Round(100*time.Millisecond), float64(members)/whole.Seconds())
	row("b", "apply to Ready against raw create+finalizer+status", whole.Round(100*time.Millisecond).String(), floor.Round(100*time.Millisecond).String(),
		float64(whole)/float64(floor), 1.5)
	if resident > members {
		if _, err := l.applyMembers(ctx, members, resident); err != nil {
			return err
		}
	}
	return reportMemory(ctx, process.Process.Pid, resident)
}

func newLab() (*lab, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "tegata-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{environment: &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("config", "crd", "bases")}, ErrorIfCRDPathMissing: true}, directory: directory}
	config, err := l.environment.Start()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	l.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	return l, err
}

func (l *lab) close() {
	if err := l.environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: stop the API server:", err)
	}
	_ = os.RemoveAll(l.directory)
}

// measureFloor times the API writes alone: create, finalizer and status of each
// member, with a watch open as the operator has one.
func (l *lab) measureFloor(ctx context.Context, members int) (time.Duration, error) {
	if err := l.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: rawNamespace}}); err != nil {
		return 0, err
	}
	began := time.Now()
	created := make(chan *v1alpha1.Member, members)
	var writing errgroup.Group
	for range floorWriters {
		writing.Go(func() error {
			for member := range created {
				if err := l.writeRaw(ctx, member); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := l.createAll(ctx, rawNamespace, 0, members, func(member *v1alpha1.Member) { created <- member })
	close(created)
	if err = errors.Join(err, writing.Wait()); err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, l.dropRaw(ctx)
}

// writeRaw writes what the operator would, as it would: two merge patches.
func (l *lab) writeRaw(ctx context.Context, member *v1alpha1.Member) error {
	finalizer := fmt.Sprintf(`{"metadata":{"finalizers":[%q],"resourceVersion":%q}}`, v1alpha1.Finalizer, member.ResourceVersion)
	if err := l.Patch(ctx, member, client.RawPatch(types.MergePatchType, []byte(finalizer))); err != nil {
		return err
	}
	status, err := json.Marshal(map[string]any{"status": typicalStatus(member)})
	if err != nil {
		return err
	}
	return l.Status().Patch(ctx, member, client.RawPatch(types.MergePatchType, status))
}

// typicalStatus is what a live member's status looks like.
func typicalStatus(member *v1alpha1.Member) v1alpha1.MemberStatus {
	status := v1alpha1.MemberStatus{
		ObservedGeneration: 1, ID: "00000000-0000-4000-8000-000000000000", State: v1alpha1.MemberPasswordPending, MailKind: "Internal",
		Password: &v1alpha1.PasswordStatus{State: "LinkSent", ExpiresAt: metav1.Now()},
		PublishedTo: &v1alpha1.PublishedTo{
			IdentityServer: v1alpha1.IdentityServerReference{Name: "id", Namespace: namespace}, Tenant: "acme"},
	}
	for _, condition := range []string{v1alpha1.ReadyCondition, v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.PublishedCondition} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: condition, Status: metav1.ConditionTrue, Reason: v1alpha1.PublishedReason, Message: "Live in the IdP.", ObservedGeneration: member.Generation})
	}
	return status
}

// dropRaw removes the floor's members, so that the operator does not see them.
func (l *lab) dropRaw(ctx context.Context) error {
	list := &v1alpha1.MemberList{}
	if err := l.List(ctx, list, client.InNamespace(rawNamespace)); err != nil {
		return err
	}
	var dropping errgroup.Group
	dropping.SetLimit(floorWriters)
	for i := range list.Items {
		dropping.Go(func() error {
			member := &list.Items[i]
			if err := l.Patch(ctx, member, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
				return err
			}
			return l.Delete(ctx, member)
		})
	}
	return dropping.Wait()
}

func (l *lab) createAll(ctx context.Context, namespace string, from, to int, made func(*v1alpha1.Member)) error {
	var creating errgroup.Group
	creating.SetLimit(applyWriters)
	for i := from; i < to; i++ {
		creating.Go(func() error {
			member := newMember(namespace, i)
			if err := l.Create(ctx, member); err != nil {
				return err
			}
			made(member)
			return nil
		})
	}
	return creating.Wait()
}

func newMember(namespace string, i int) *v1alpha1.Member {
	return &v1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("member-%05d", i), Labels: map[string]string{"department": strconv.Itoa(i % 20)}},
		Spec: v1alpha1.MemberSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"},
			Name:      v1alpha1.PersonName{Family: "山田", Given: "太郎", PhoneticFamily: "ヤマダ", PhoneticGiven: "タロウ"},
			Mail:      fmt.Sprintf("member-%05d@acme.example", i),
			Role:      "Staff",
		},
	}
}

// startOperator runs the real binary against the lab's API server.
func (l *lab) startOperator(ctx context.Context, binary string) (*exec.Cmd, error) {
	user, err := l.environment.AddUser(envtest.User{Name: "tegata-operator", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(l.directory, "kubeconfig")
	if err := os.WriteFile(path, kubeconfig, 0o600); err != nil {
		return nil, err
	}
	process := exec.CommandContext(ctx, binary, "--kubeconfig="+path, "--data-dir="+filepath.Join(l.directory, "data"), "--health-probe-bind-address=0", "--log-level=warn") // #nosec G204 -- the caller's own binary
	process.Stderr = os.Stderr
	return process, process.Start()
}

// settle makes the server and the tenant and waits until they are Ready.
func (l *lab) settle(ctx context.Context) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	tenant := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "acme"},
		Spec:       v1alpha1.TenantSpec{IdentityServerRef: v1alpha1.IdentityServerReference{Name: "id"}, DisplayName: "株式会社アクメ"},
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&v1alpha1.IdentityServer{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "id"}, Spec: v1alpha1.IdentityServerSpec{
			ExternalURL: "http://" + port, Embedded: &v1alpha1.EmbeddedServer{Listen: port},
			ProvisioningTargets: &v1alpha1.ProvisioningTargetNetworks{AllowedNetworks: []v1alpha1.CIDR{"127.0.0.0/8"}}}},
		tenant,
	} {
		if err := l.Create(ctx, object); err != nil {
			return err
		}
	}
	for !meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ReadyCondition) {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if err := l.Get(ctx, client.ObjectKeyFromObject(tenant), tenant); err != nil {
			return err
		}
	}
	return nil
}

// applyMembers creates members and waits, by a watch, until the last is Ready.
func (l *lab) applyMembers(ctx context.Context, from, to int) (time.Duration, error) {
	began := time.Now()
	creating := make(chan error, 1)
	go func() { creating <- l.createAll(ctx, namespace, from, to, func(*v1alpha1.Member) {}) }()
	ready := map[string]bool{}
	for len(ready) < to {
		if err := l.watchReady(ctx, ready, to); err != nil {
			return 0, err
		}
	}
	took := time.Since(began)
	return took, <-creating
}

// watchReady notes who is Ready until all are, or until the API server ends the
// watch, as it may at any time.
func (l *lab) watchReady(ctx context.Context, ready map[string]bool, all int) error {
	list := &v1alpha1.MemberList{}
	if err := l.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	note := func(member *v1alpha1.Member) {
		if meta.IsStatusConditionTrue(member.Status.Conditions, v1alpha1.ReadyCondition) {
			ready[member.Name] = true
		}
	}
	for i := range list.Items {
		note(&list.Items[i])
	}
	watching, err := l.Watch(ctx, &v1alpha1.MemberList{}, client.InNamespace(namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	if err != nil {
		return err
	}
	defer watching.Stop()
	for len(ready) < all {
		event, open := <-watching.ResultChan()
		member, ok := event.Object.(*v1alpha1.Member)
		if !open || !ok {
			return ctx.Err()
		}
		note(member)
	}
	return nil
}

// reportMemory prints the operator's resident memory once it has come to rest.
func reportMemory(ctx context.Context, pid, members int) error {
	if err := pause(ctx, 20*time.Second); err != nil {
		return err
	}
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == "VmRSS" || name == "VmHWM" {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				return err
			}
			what := map[string]string{"VmRSS": "resident", "VmHWM": "at its peak"}[name]
			fmt.Printf("(d) operator with embedded IdP at %d members, %s: %d MB   aim ≤ 200 MB resident\n", members, what, kib/1024)
		}
	}
	return nil
}

func freePort(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
