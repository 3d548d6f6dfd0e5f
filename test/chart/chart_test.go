/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package chart drives the real Helm over charts/tegata, against a real
// kube-apiserver.
package chart

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

const (
	root  = "../.."
	chart = root + "/charts/tegata"
)

// everything is the set of values that turns all on, but for what needs CRDs of others.
var everything = []string{
	"--set=operator.podLabels.team=identity", "--set=operator.podAnnotations.note=kept", "--set=operator.nodeSelector.disk=fast",
	"--set=operator.priorityClassName=system-cluster-critical", "--set=imagePullSecrets[0].name=pull",
	"--set=operator.tolerations[0].key=dedicated", "--set=operator.tolerations[0].operator=Exists",
	"--set=image.idp.digest=sha256:" + strings.Repeat("ab", 32), "--set=image.operator.tag=1.2.3",
	"--set=metrics.readers[0].name=prometheus-k8s", "--set=metrics.readers[0].namespace=monitoring",
	"--set=metrics.dashboard.enabled=true", "--set=metrics.dashboard.annotations.folder=Identity",
}

var server = []string{"--set=identityServer.create=true", "--set=identityServer.spec.externalURL=https://id.example",
	"--set=identityServer.spec.deployment.replicas=1", "--set=identityServer.annotations.note=kept"}

var monitoring = []string{"--set=metrics.serviceMonitor.enabled=true", "--set=metrics.serviceMonitor.interval=30s",
	"--set=metrics.serviceMonitor.labels.release=prometheus", "--set=metrics.rules.enabled=true"}

// helm runs Helm with a home of its own and returns what it printed.
func helm(t *testing.T, arguments ...string) (output string, err error) {
	t.Helper()
	binary := os.Getenv("TEGATA_HELM")
	if binary == "" {
		t.Fatal("TEGATA_HELM is not set; run make test, or export TEGATA_HELM=$(hack/helm/build.sh)")
	}
	command := exec.CommandContext(t.Context(), binary, arguments...) // #nosec G204 -- the test's own arguments
	home := t.TempDir()
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	if err := command.Run(); err != nil {
		return out.String(), errors.New(errOut.String())
	}
	return out.String(), nil
}

func render(t *testing.T, sets ...[]string) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	arguments := []string{"template", "tegata", chart, "--namespace=tegata-system"}
	for _, set := range sets {
		arguments = append(arguments, set...)
	}
	output, err := helm(t, arguments...)
	g.Expect(err).NotTo(HaveOccurred())
	var all []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(output), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return all
		}
		g.Expect(err).NotTo(HaveOccurred())
		if len(object.Object) > 0 {
			all = append(all, object)
		}
	}
}

func find(t *testing.T, all []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range all {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	t.Fatalf("no %s %s", kind, name)
	return nil
}

func TestLint(t *testing.T) {
	for _, set := range [][]string{nil, everything, server, monitoring} {
		output, err := helm(t, append([]string{"lint", "--strict", chart}, set...)...)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), output)
	}
}

func TestRefusedValues(t *testing.T) {
	for set, message := range map[string]string{
		"--set=operator.replicas=two":               "/operator/replicas",
		"--set=operator.replicas=0":                 "/operator/replicas",
		"--set=operator.replica=2":                  "replica",
		"--set=crds.install=maybe":                  "/crds/install",
		"--set=image.pullPolicy=Sometimes":          "/image/pullPolicy",
		"--set=image.idp.digest=latest":             "/image/idp/digest",
		"--set=operator.logLevel=loud":              "/operator/logLevel",
		"--set=metrics.readers=prometheus":          "/metrics/readers",
		"--set=identityServer.create=true":          "externalURL",
		"--set=identityServer.name=Not_A_Name":      "/identityServer/name",
		"--set=metrics.serviceMonitor.interval=30":  "/metrics/serviceMonitor/interval",
		"--set=operator.podLabels.team.nested=true": "/operator/podLabels/team",
	} {
		t.Run(set, func(t *testing.T) {
			_, err := helm(t, "template", "tegata", chart, set)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(message)))
		})
	}
}

// The chart says the same as config/, from which it is copied.
func TestChartFollowsConfig(t *testing.T) {
	g := NewWithT(t)
	all := render(t, everything)
	files, err := filepath.Glob(root + "/config/crd/bases/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		declared := read(t, file)
		rendered := find(t, all, "CustomResourceDefinition", declared.GetName())
		annotations := rendered.GetAnnotations()
		g.Expect(annotations).To(HaveKeyWithValue("helm.sh/resource-policy", "keep"))
		delete(annotations, "helm.sh/resource-policy")
		rendered.SetAnnotations(annotations)
		g.Expect(rendered).To(Equal(declared))
	}
	for _, name := range []string{"role", "admin", "editor", "viewer"} {
		declared := read(t, root+"/config/rbac/"+name+".yaml")
		rendered := find(t, all, "ClusterRole", declared.GetName())
		g.Expect(rendered.Object["rules"]).To(Equal(declared.Object["rules"]))
		for key, value := range declared.GetLabels() {
			g.Expect(rendered.GetLabels()).To(HaveKeyWithValue(key, value))
		}
	}
}

func TestDeploymentFollowsConfig(t *testing.T) {
	g := NewWithT(t)
	declared := read(t, root+"/config/manager/deployment.yaml")
	container := func(u *unstructured.Unstructured) map[string]any {
		containers, _, err := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		g.Expect(err).NotTo(HaveOccurred())
		return containers[0].(map[string]any)
	}
	rendered := find(t, render(t), "Deployment", "tegata-operator")
	for _, field := range []string{"ports", "startupProbe", "livenessProbe", "readinessProbe", "resources", "securityContext"} {
		g.Expect(container(rendered)[field]).To(Equal(container(declared)[field]), field)
	}
	for _, field := range [][]string{{"spec", "selector"}, {"spec", "template", "spec", "securityContext"}, {"spec", "template", "spec", "topologySpreadConstraints"}} {
		left, _, _ := unstructured.NestedFieldNoCopy(rendered.Object, field...)
		right, _, _ := unstructured.NestedFieldNoCopy(declared.Object, field...)
		g.Expect(left).To(Equal(right), "%v", field)
	}
	g.Expect(container(find(t, render(t, everything), "Deployment", "tegata-operator"))["args"]).To(
		ContainElement("--idp-image=tegata-idp@sha256:" + strings.Repeat("ab", 32)))
}

func read(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	body, err := os.ReadFile(file) // #nosec G304 -- the test's own files
	g.Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{}
	g.Expect(yaml.Unmarshal(body, &object.Object)).To(Succeed())
	// As the decoder of rendered manifests reads numbers.
	body, err = object.MarshalJSON()
	g.Expect(err).NotTo(HaveOccurred())
	object = &unstructured.Unstructured{}
	g.Expect(utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(body), 4096).Decode(&object.Object)).To(Succeed())
	return object
}

// Install, add an IdentityServer, change it, uninstall: by Helm, with the API server deciding.
func TestLifecycle(t *testing.T) {
	g := NewWithT(t)
	environment := &envtest.Environment{}
	config, err := environment.Start()
	g.Expect(err).NotTo(HaveOccurred(), "KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh) names the API server")
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop kube-apiserver: %v", err)
		}
	})
	k8s, err := client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(apiextensionsv1.AddToScheme(k8s.Scheme())).To(Succeed())
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(kubeconfig, environment.KubeConfig, 0o600)).To(Succeed())
	run := func(arguments ...string) (string, error) {
		return helm(t, append(arguments, "--kubeconfig="+kubeconfig, "--namespace=tegata-system")...)
	}

	_, err = run(append([]string{"install", "tegata", chart, "--create-namespace"}, server...)...)
	g.Expect(err).To(MatchError(ContainSubstring("ensure CRDs are installed first")), "Helm's own limit, as the README says")

	output, err := run(append([]string{"install", "tegata", chart, "--create-namespace"}, everything...)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(output).To(ContainSubstring("declare an IdentityServer"))

	// A CRD of an older release is brought up to date.
	definition := &apiextensionsv1.CustomResourceDefinition{}
	name := client.ObjectKey{Name: "members.identity.tegata.dev"}
	g.Expect(k8s.Get(t.Context(), name, definition)).To(Succeed())
	definition.Spec.Names.ShortNames = []string{"old"}
	g.Expect(k8s.Update(t.Context(), definition, client.FieldOwner("helm"))).To(Succeed())

	output, err = run(append([]string{"upgrade", "tegata", chart, "--force-conflicts"}, server...)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(output).To(ContainSubstring("kubectl wait --for=condition=Ready identityserver/id"))
	g.Expect(k8s.Get(t.Context(), name, definition)).To(Succeed())
	g.Expect(definition.Spec.Names.ShortNames).To(Equal([]string{"mem"}))
	made := &unstructured.Unstructured{}
	made.SetAPIVersion("identity.tegata.dev/v1alpha1")
	made.SetKind("IdentityServer")
	key := client.ObjectKey{Namespace: "tegata-system", Name: "id"}
	g.Expect(k8s.Get(t.Context(), key, made)).To(Succeed())

	_, err = run(append([]string{"upgrade", "tegata", chart, "--set=identityServer.spec.nonsense=1"}, server...)...)
	g.Expect(err).To(MatchError(ContainSubstring("nonsense")), "the API server refuses unknown fields")

	_, err = run("uninstall", "tegata")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(k8s.Get(t.Context(), name, definition)).To(Succeed(), "CRDs stay")
	g.Expect(client.IgnoreNotFound(k8s.Get(t.Context(), client.ObjectKey{Name: "tegata-operator"}, clusterRole()))).To(Succeed())
	g.Expect(k8s.Get(t.Context(), client.ObjectKey{Name: "tegata-operator"}, clusterRole())).NotTo(Succeed())
}

func clusterRole() *rbacv1.ClusterRole { return &rbacv1.ClusterRole{} }
