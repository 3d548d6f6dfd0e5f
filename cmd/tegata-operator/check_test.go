/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	root      = "../.."
	namespace = "tegata-system"
	patience  = time.Minute
	glance    = 100 * time.Millisecond
)

var testName = types.NamespacedName{Namespace: namespace, Name: "helm-test-tegata"}

// world is an API server with the operator at work and an embedded server "id".
type world struct {
	*WithT
	t       *testing.T
	config  *rest.Config
	k8s     client.Client
	address string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	g := NewWithT(t)
	ctrl.SetLogger(logr.Discard())
	environment := &envtest.Environment{CRDDirectoryPaths: []string{root + "/config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	g.Expect(err).NotTo(HaveOccurred(), "run make test, or export KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh)")
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop kube-apiserver: %v", err)
		}
	})
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(kubeconfig, environment.KubeConfig, 0o600)).To(Succeed())
	t.Setenv("KUBECONFIG", kubeconfig)
	scheme, err := newScheme()
	g.Expect(err).NotTo(HaveOccurred())
	k8s, err := client.New(config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	o := options{dataDirectory: t.TempDir(), metrics: "0", probes: "0", memberWorkers: 2}
	go func() { ended <- run(ctx, o, logr.Discard()) }()
	t.Cleanup(func() { stop(); g.Expect(<-ended).To(Succeed()) })

	w := &world{WithT: g, t: t, config: config, k8s: k8s, address: freeAddress(t)}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	w.create(&v1alpha1.IdentityServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "id"},
		Spec:       v1alpha1.IdentityServerSpec{ExternalURL: "https://id.example", Embedded: &v1alpha1.EmbeddedServer{Listen: w.address}},
	})
	return w
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		w.Expect(w.k8s.Create(w.t.Context(), object)).To(Succeed())
	}
}

// remove deletes and awaits the end, as Helm does with its hooks.
func (w *world) remove(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		w.Expect(w.k8s.Delete(w.t.Context(), object)).To(Succeed())
		w.Eventually(func() bool {
			return apierrors.IsNotFound(w.k8s.Get(w.t.Context(), client.ObjectKeyFromObject(object), object))
		}, patience, glance).Should(BeTrue())
		object.SetResourceVersion("")
	}
}

// hooks are what the chart makes for helm test, but for the pod.
func (w *world) hooks() (rights, subjects []client.Object) {
	w.t.Helper()
	helm := os.Getenv("TEGATA_HELM")
	w.Expect(helm).NotTo(BeEmpty(), "run make test, or export TEGATA_HELM=$(hack/helm/build.sh)")
	command := exec.CommandContext(w.t.Context(), helm, "template", "tegata", root+"/charts/tegata", "--namespace="+namespace,
		"--set=identityServer.create=true,identityServer.spec.externalURL=https://id.example,identityServer.spec.deployment.replicas=1",
		"--show-only=templates/tests/login.yaml")
	output, err := command.CombinedOutput()
	w.Expect(err).NotTo(HaveOccurred(), string(output))
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(output), 4096)
	for {
		object := &unstructured.Unstructured{}
		if decoder.Decode(&object.Object) != nil {
			return rights, subjects
		}
		switch object.GetKind() {
		case "Tenant", "Member":
			subjects = append(subjects, object)
		case "Pod":
			containers, _, err := unstructured.NestedSlice(object.Object, "spec", "containers")
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(containers).To(ConsistOf(HaveKeyWithValue("args", ConsistOf("--check-member="+testName.String()))))
		default:
			rights = append(rights, object)
		}
	}
}

// check is what the pod of helm test does, with the rights that it has.
func (w *world) check(ctx context.Context) (said string, err error) {
	w.t.Helper()
	config := rest.CopyConfig(w.config)
	config.Impersonate.UserName = "system:serviceaccount:" + namespace + ":" + testName.Name
	limited, err := client.New(config, client.Options{Scheme: w.k8s.Scheme()})
	w.Expect(err).NotTo(HaveOccurred())
	out := &bytes.Buffer{}
	checked := &memberCheck{client: limited, address: func(*v1alpha1.IdentityServer) (string, error) { return w.address, nil }, out: out}
	err = checked.run(ctx, testName)
	return out.String(), err
}

func TestCheckMemberWithTheHooksOfTheChart(t *testing.T) {
	w := newWorld(t)
	rights, subjects := w.hooks()
	w.Expect(rights).To(HaveLen(3))
	w.Expect(subjects).To(HaveLen(2))
	w.create(rights...)

	ctx, cancel := context.WithTimeout(t.Context(), checkInterval+checkInterval/2)
	defer cancel()
	_, err := w.check(ctx)
	w.Expect(err).To(MatchError(ContainSubstring(`members.identity.tegata.dev "helm-test-tegata" not found`)))

	mailed := &v1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: testName.Name},
		Spec: v1alpha1.MemberSpec{TenantRef: v1alpha1.TenantReference{Name: "acme"}, Name: v1alpha1.PersonName{Family: "山田", Given: "太郎"},
			Mail: "taro@acme.example", Role: "Staff"},
	}
	w.create(mailed)
	_, err = w.check(t.Context())
	w.Expect(err).To(MatchError(ContainSubstring("its passwordSetup is not TemporaryPassword")))
	w.Expect(w.k8s.Get(t.Context(), testName, mailed)).To(Succeed())
	w.Expect(mailed.Annotations).To(BeEmpty(), "nobody is mailed")
	w.remove(mailed)

	// A second run finds the member with the password of the first.
	for range 2 {
		w.create(subjects...)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		said, err := w.check(ctx)
		w.Expect(err).NotTo(HaveOccurred(), said)
		w.Expect(said).To(ContainSubstring("Logging in at https://id.example through " + w.address))
		w.Expect(strings.TrimSpace(said)).To(HaveSuffix("The log-out ends the session"))
		w.remove(subjects[1], subjects[0])
	}
	t.Run("what only a person can mend is told at once", func(t *testing.T) {
		w := *w
		w.WithT, w.t = NewWithT(t), t
		w.create(&v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "acme"}, Spec: v1alpha1.TenantSpec{
			IdentityServerRef: v1alpha1.IdentityServerReference{Name: "id"}, DisplayName: "Acme", Slug: testName.Name,
		}})
		w.Eventually(func(g Gomega) {
			acme := &v1alpha1.Tenant{}
			g.Expect(w.k8s.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "acme"}, acme)).To(Succeed())
			g.Expect(unready("Tenant", acme, acme.Status.Conditions)).To(Succeed())
		}, patience, glance).Should(Succeed())
		w.create(subjects...)
		_, err := w.check(t.Context())
		w.Expect(err).To(MatchError(ContainSubstring("Tenant tegata-system/helm-test-tegata is not ready: Conflict")))
	})
}

func TestOnlyServersInPodsHaveAnAddress(t *testing.T) {
	g := NewWithT(t)
	server := &v1alpha1.IdentityServer{ObjectMeta: metav1.ObjectMeta{Namespace: "identity", Name: "id"}}
	_, err := serviceAddress(server)
	g.Expect(err).To(MatchError(ContainSubstring("identity/id has no Service")))
	server.Status.Service = "id-idp"
	g.Expect(serviceAddress(server)).To(Equal("id-idp.identity.svc:80"))
	for _, name := range []string{"", "taro", "/taro", "acme/", "a/b/c"} {
		_, err := parseName(name)
		g.Expect(err).To(MatchError(ContainSubstring("namespace/name")), name)
	}
}
