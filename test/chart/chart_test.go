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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	root  = "../.."
	chart = root + "/charts/tegata"
)

var aDigest = "sha256:" + strings.Repeat("ab", 32)

// everything is the set of values that turns all on, but for what needs CRDs of others.
var everything = []string{
	"--set=operator.podLabels.team=identity", "--set=operator.podAnnotations.note=kept", "--set=operator.nodeSelector.disk=fast",
	"--set=operator.priorityClassName=system-cluster-critical", "--set=imagePullSecrets[0].name=pull",
	"--set=operator.tolerations[0].key=dedicated", "--set=operator.tolerations[0].operator=Exists",
	"--set=image.idp.digest=" + aDigest, "--set=image.operator.tag=1.2.3",
	"--set=metrics.readers[0].name=prometheus-k8s", "--set=metrics.readers[0].namespace=monitoring",
	"--set=commonLabels.team=identity", "--set=metrics.networkPolicy.enabled=true",
	"--set=metrics.networkPolicy.from[0].namespaceSelector.matchLabels.team=monitoring",
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
		"operator.replicas=two":                       "/operator/replicas",
		"operator.replicas=0":                         "/operator/replicas",
		"operator.replicas=-1":                        "/operator/replicas",
		"operator.replicas=1.5":                       "/operator/replicas",
		"operator.replica=2":                          "replica",
		"operator=2":                                  "/operator",
		"replicas=2":                                  "replicas",
		"operator.memberWorkers=0":                    "/operator/memberWorkers",
		"operator.logLevel=loud":                      "/operator/logLevel",
		"operator.resources=much":                     "/operator/resources",
		"operator.tolerations.key=dedicated":          "/operator/tolerations",
		"operator.podLabels.team.nested=true":         "/operator/podLabels/team",
		"operator.podLabels.count=1":                  "/operator/podLabels/count",
		"commonLabels.count=1":                        "/commonLabels/count",
		`commonLabels.helm\.sh/chart=mine`:            "invalid propertyName",
		"crds.install=maybe":                          "/crds/install",
		"crds.keep=true":                              "keep",
		"image.pullPolicy=Sometimes":                  "/image/pullPolicy",
		"image.idp.digest=latest":                     "/image/idp/digest",
		"image.idp.tag=1,image.idp.digest=" + aDigest: "/image/idp",
		"image.operator.repository=":                  "/image/operator/repository",
		"image.tag=1":                                 "tag",
		"imagePullSecrets[0]=pull":                    "/imagePullSecrets/0",
		"rbac.aggregate=yes":                          "/rbac/aggregate",
		"metrics.readers=prometheus":                  "/metrics/readers",
		"metrics.readers[0].name=prometheus":          "namespace",
		"metrics.networkPolicy.from=monitoring":       "/metrics/networkPolicy/from",
		"metrics.serviceMonitor.interval=30":          "/metrics/serviceMonitor/interval",
		"metrics.rules.enabled=1":                     "/metrics/rules/enabled",
		"metrics.dashboard.folder=Identity":           "folder",
		"identityServer.name=Not_A_Name":              "/identityServer/name",
		"identityServer.spec=embedded":                "/identityServer/spec",
		"identityServer.create=true":                  "externalURL",
		"identityServer.create=true,identityServer.spec.externalURL=https://id.example":                                         "deployment",
		"identityServer.create=true,identityServer.spec.externalURL=https://id.example,identityServer.spec.embedded.listen=:80": "embedded",
	} {
		t.Run(set, func(t *testing.T) {
			_, err := helm(t, "template", "tegata", chart, "--set="+set)
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
		ContainElement("--idp-image=tegata-idp@" + aDigest))
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
