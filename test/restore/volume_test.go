/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package restore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// TestVolume applies the page's claim and pod where pods are restricted, and
// has the operator take the claim over. What a kubelet does is tested in test/e2e.
func TestVolume(t *testing.T) {
	w := newWorld(t, "")
	c := newCluster(t)
	c.startOperator(w.data)
	w.Expect(c.k8s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "identity-system", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}})).To(Succeed())
	content, err := os.ReadFile(page)
	w.Expect(err).NotTo(HaveOccurred())
	_, manifest, _ := strings.Cut(string(content), "```yaml\n")
	manifest, _, _ = strings.Cut(manifest, "```")
	w.Expect(os.WriteFile(filepath.Join(w.folder, "restore.yaml"), []byte(manifest), 0o600)).To(Succeed())
	apply, _, _ := strings.Cut(w.command("### Database: SQLite in pods", "kubectl apply"), "\n")
	w.Expect(w.shell(c, apply)).NotTo(ContainSubstring("Warning"))

	name := client.ObjectKey{Namespace: "identity-system", Name: "id-idp"}
	claim, pod := &corev1.PersistentVolumeClaim{}, &corev1.Pod{}
	w.Expect(c.k8s.Get(t.Context(), name, claim)).To(Succeed())
	w.Expect(c.k8s.Get(t.Context(), client.ObjectKey{Namespace: name.Namespace, Name: "tegata-restore"}, pod)).To(Succeed())
	w.Expect(c.k8s.Create(t.Context(), &v1alpha1.IdentityServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: "id"},
		Spec: v1alpha1.IdentityServerSpec{
			ExternalURL: w.url, Deployment: &v1alpha1.DeployedServer{Image: pod.Spec.Containers[0].Image},
		},
	})).To(Succeed())
	workload := &appsv1.Deployment{}
	w.Eventually(func() error { return c.k8s.Get(t.Context(), name, workload) }, patience, glance).Should(Succeed())
	server := workload.Spec.Template.Spec

	taken := &corev1.PersistentVolumeClaim{}
	w.Eventually(func(g Gomega) {
		g.Expect(c.k8s.Get(t.Context(), name, taken)).To(Succeed())
		g.Expect(taken.Labels).To(HaveKeyWithValue("app.kubernetes.io/instance", "id"))
	}, patience, glance).Should(Succeed())
	w.Expect(taken.UID).To(Equal(claim.UID))
	w.Expect(taken.Spec).To(Equal(claim.Spec))

	w.Expect(server.Containers[0].Args).To(ContainElement(pod.Spec.Containers[0].Args[1]), "both know the file by one path")
	w.Expect(server.Containers[0].VolumeMounts).To(ContainElement(pod.Spec.Containers[0].VolumeMounts[0]))
	w.Expect(server.Volumes).To(ContainElement(pod.Spec.Volumes[0]))
	w.Expect(server.SecurityContext).To(Equal(pod.Spec.SecurityContext))
}
