/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package chart

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
)

const namespace = "tegata-system"

// world is an API server without Tegata.
type world struct {
	*WithT
	t          *testing.T
	k8s        client.Client
	kubeconfig string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	g := NewWithT(t)
	environment := &envtest.Environment{}
	config, err := environment.Start()
	g.Expect(err).NotTo(HaveOccurred(), "KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh) names the API server")
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop kube-apiserver: %v", err)
		}
	})
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		g.Expect(add(scheme)).To(Succeed())
	}
	k8s, err := client.New(config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(kubeconfig, environment.KubeConfig, 0o600)).To(Succeed())
	return &world{WithT: g, t: t, k8s: k8s, kubeconfig: kubeconfig}
}

// helm does it to the release, with values.
func (w *world) helm(verb, from string, sets ...[]string) (string, error) {
	w.t.Helper()
	arguments := []string{verb, "tegata", "--kubeconfig=" + w.kubeconfig, "--namespace=" + namespace}
	if from != "" {
		arguments = append(arguments, from)
	}
	for _, set := range sets {
		arguments = append(arguments, set...)
	}
	return helm(w.t, arguments...)
}

func (w *world) get(name string, object client.Object) error {
	return w.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: object.GetNamespace(), Name: name}, object)
}

// members is the CRD in the cluster, and whether it has the field spec.phone.
func (w *world) members() (definition *apiextensionsv1.CustomResourceDefinition, phone bool) {
	w.t.Helper()
	definition = &apiextensionsv1.CustomResourceDefinition{}
	w.Expect(w.get("members.identity.tegata.dev", definition)).To(Succeed())
	_, phone = definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["phone"]
	return definition, phone
}

// olderChart is the chart as it was before members had a telephone number.
func olderChart(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	older := t.TempDir()
	g.Expect(os.CopyFS(older, os.DirFS(chart))).To(Succeed())
	file := older + "/files/crds/identity.tegata.dev_members.yaml"
	body, err := os.ReadFile(file) // #nosec G304 -- the test's own file
	g.Expect(err).NotTo(HaveOccurred())
	definition := &apiextensionsv1.CustomResourceDefinition{}
	g.Expect(yaml.UnmarshalStrict(body, definition)).To(Succeed())
	delete(definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties, "phone")
	body, err = yaml.Marshal(definition)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(file, body, 0o600)).To(Succeed())
	return older
}

// Install, upgrade, add an IdentityServer, change it, uninstall, install again: by Helm, with the API server deciding.
func TestLifecycle(t *testing.T) {
	w := newWorld(t)
	created := []string{"--create-namespace"}
	_, err := w.helm("install", chart, server, created)
	w.Expect(err).To(MatchError(ContainSubstring("ensure CRDs are installed first")), "Helm's own limit, as the README says")

	output, err := w.helm("install", olderChart(t), everything, created)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(output).To(ContainSubstring("declare an IdentityServer"))
	before, phone := w.members()
	w.Expect(phone).To(BeFalse())
	member := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "taro"}, Spec: v1alpha1.MemberSpec{
		TenantRef: v1alpha1.TenantReference{Name: "acme"}, Name: v1alpha1.PersonName{Family: "山田", Given: "太郎"}, Mail: "taro@acme.example", Role: "Staff",
	}}
	w.Expect(w.k8s.Create(t.Context(), member)).To(Succeed())

	output, err = w.helm("upgrade", chart, server)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(output).To(ContainSubstring("kubectl wait --for=condition=Ready identityserver/id"))
	after, phone := w.members()
	w.Expect(phone).To(BeTrue(), "an upgrade brings new fields")
	w.Expect(after.UID).To(Equal(before.UID))
	made := &v1alpha1.IdentityServer{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
	w.Expect(w.get("id", made)).To(Succeed())

	_, err = w.helm("upgrade", chart, server, []string{"--set=identityServer.spec.nonsense=1"})
	w.Expect(err).To(MatchError(ContainSubstring("nonsense")), "the API server refuses unknown fields")

	_, err = w.helm("uninstall", "")
	w.Expect(err).NotTo(HaveOccurred())
	operator := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
	w.Expect(client.IgnoreNotFound(w.get("tegata-operator", operator))).To(Succeed())
	w.Expect(w.get("tegata-operator", operator)).NotTo(Succeed())
	w.Expect(w.get("tegata-operator", &rbacv1.ClusterRole{})).NotTo(Succeed())
	w.stays(after, made, member)

	_, err = w.helm("install", chart, server)
	w.Expect(err).NotTo(HaveOccurred(), "what stayed is taken over")
	w.stays(after, made, member)
}

// stays demands that the objects are the same as before and are not being deleted.
func (w *world) stays(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		uid := object.GetUID()
		w.Expect(w.get(object.GetName(), object)).To(Succeed())
		w.Expect(object.GetUID()).To(Equal(uid))
		w.Expect(object.GetDeletionTimestamp()).To(BeNil())
	}
}
