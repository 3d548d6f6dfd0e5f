/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kubectl runs the kubectl of the same release as the API server.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	g := NewWithT(t)
	user, err := environment.ControlPlane.AddUser(administrator, nil)
	g.Expect(err).NotTo(HaveOccurred())
	kubeconfig, err := user.KubeConfig()
	g.Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(file, kubeconfig, 0o600)).To(Succeed())
	command := exec.CommandContext(t.Context(), environment.ControlPlane.KubectlPath, append([]string{"--kubeconfig", file}, args...)...)
	// Discovery is cached in the home directory otherwise.
	command.Env = append(os.Environ(), "KUBECACHEDIR="+t.TempDir())
	output, err := command.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "kubectl %s: %s", strings.Join(args, " "), output)
	return string(output)
}

// TestSamples applies config/samples as a user would and reads what kubectl
// prints: what people look for fits into 100 columns.
func TestSamples(t *testing.T) {
	g := NewWithT(t)
	for _, directory := range []string{"../../config/samples", "../../config/samples/provisioning"} {
		kubectl(t, "apply", "--server-side", "-k", directory)
		files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
		g.Expect(err).NotTo(HaveOccurred())
		kustomization, err := os.ReadFile(filepath.Join(directory, "kustomization.yaml"))
		g.Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			if name := filepath.Base(file); name != "kustomization.yaml" {
				g.Expect(string(kustomization)).To(ContainSubstring("- "+name+"\n"), "a sample that nobody applies")
			}
		}
	}
	// Nobody but the operator makes these.
	for _, kind := range []string{"Account", "Offboarding"} {
		object := base(t, kind, "full")
		object.SetNamespace("acme")
		g.Expect(server.Create(t.Context(), object)).To(Succeed())
	}
	makeReady(t)

	everything := kubectl(t, "get", "tegata", "--all-namespaces")
	t.Logf("kubectl get tegata --all-namespaces\n%s", everything)
	for _, kind := range kinds {
		name, namespace := strings.ToLower(kind), "acme"
		if kind == "IdentityServer" {
			namespace = "identity-system"
		}
		g.Expect(everything).To(ContainSubstring(name + ".identity.tegata.dev/"))
		table := kubectl(t, "get", name, "--namespace", namespace)
		wide := kubectl(t, "get", name, "--namespace", namespace, "--output", "wide")
		t.Logf("kubectl get %s\n%s\n-o wide\n%s", name, table, wide)
		g.Expect(table).To(MatchRegexp("READY +REASON +AGE"))
		g.Expect(wide).To(ContainSubstring("MESSAGE"))
		for line := range strings.Lines(table) {
			g.Expect(utf8.RuneCountInString(strings.TrimSpace(line))).To(BeNumerically("<=", 100), line)
		}
	}
	explained := kubectl(t, "explain", "member.spec")
	t.Logf("kubectl explain member.spec\n%s", explained)
	g.Expect(explained).To(ContainSubstring("特権管理者"))
}

// makeReady gives every sample the longest status it usually has.
func makeReady(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	more := map[string][]edit{
		"IdentityServer": {set("status.tenants", int64(120)), set("status.storage", "PostgreSQL")},
		"Tenant":         {set("status.members", int64(10000)), set("status.pendingMembers", int64(120))},
		"Member":         {set("status.state", "PasswordPending"), set("status.lastLogin", "2026-01-01T00:00:00Z"), set("status.id", "e0f9c9e2-95d9-4a9e-8f6a-6f4f4a8b7a10")},
		"Group":          {set("status.members", int64(10000)), set("status.administrators", int64(12))},
		"ProvisioningTarget": {
			set("status.accounts", map[string]any{"desired": int64(10000), "synced": int64(9990), "failed": int64(10)}), set("status.lastSync", "2026-01-01T00:00:00Z"),
		},
		"Account":     {set("status.state", "Disabled"), set("status.lastSync", "2026-01-01T00:00:00Z")},
		"Offboarding": {set("status.signInBlockedAt", "2026-01-01T00:00:00Z"), set("status.completedAt", "2026-01-01T00:00:00Z")},
	}
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "identity.tegata.dev", Version: "v1alpha1", Kind: kind + "List"})
		g.Expect(server.List(t.Context(), list)).To(Succeed())
		g.Expect(list.Items).NotTo(BeEmpty(), kind)
		for _, object := range list.Items {
			ready := apply(&object, append(more[kind],
				set("status.conditions.0.status", "True"),
				set("status.conditions.0.reason", "Published"),
				set("status.conditions.0.message", "Live in the IdP."))...)
			g.Expect(server.Status().Update(t.Context(), ready)).To(Succeed())
		}
	}
}
