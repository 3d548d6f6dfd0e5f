/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"encoding/json"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/controllers"
)

var server = types.NamespacedName{Namespace: "acme", Name: "id"}

const (
	testDSN      = "postgres://tegata:dsn-secret@db/tegata"
	testPassword = "mail-secret"
	testKey      = "0123456789abcdef0123456789abcdef"
)

func sqlite() controllers.ServerConfig {
	return controllers.ServerConfig{
		ExternalURL: "https://id.acme.example", Key: []byte(testKey),
		Deployment: &controllers.DeploymentConfig{
			Owner:    metav1.OwnerReference{APIVersion: "identity.tegata.dev/v1alpha1", Kind: "IdentityServer", Name: "id", UID: "u", Controller: new(true)},
			Replicas: 1, KeySecret: controllers.SecretKey{Name: "id-encryption", Key: "key"}, VolumeSize: resource.MustParse("2Gi"), StorageClassName: "fast",
		},
	}
}

func postgres() controllers.ServerConfig {
	config := sqlite()
	config.PostgresDSN = testDSN
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	config.Mail = &controllers.MailConfig{From: "Tegata <a@acme.example>", Host: "smtp", Port: 587, TLS: "StartTLS", Username: "user-secret", Password: testPassword}
	config.Deployment.Replicas = 3
	config.Deployment.PostgresSecret = controllers.SecretKey{Name: "db", Key: "url"}
	config.Deployment.MailSecret = "smtp"
	return config
}

// made are the objects of a configuration by kind and name.
func made(config controllers.ServerConfig) map[string]any {
	all := map[string]any{}
	for _, object := range objects(server, config, "tegata-idp:1", revision(config), "tegata-system") {
		all[object.GetObjectKind().GroupVersionKind().Kind+" "+object.GetName()] = object
	}
	return all
}

func names(objects map[string]any) []string {
	list := make([]string, 0, len(objects))
	for name := range objects {
		list = append(list, name)
	}
	return list
}

func TestObjectsOnSQLite(t *testing.T) {
	g := NewWithT(t)
	all := made(sqlite())
	g.Expect(names(all)).To(ConsistOf("Service id-idp", "Service id-idp-admin", "Service id-idp-metrics", "NetworkPolicy id-idp", "Deployment id-idp", "PersistentVolumeClaim id-idp"))
	claim := all["PersistentVolumeClaim id-idp"].(*corev1.PersistentVolumeClaim)
	g.Expect(claim.OwnerReferences).To(BeEmpty(), "the database outlives the server")
	g.Expect(claim.Spec.Resources.Requests.Storage().String()).To(Equal("2Gi"))
	g.Expect(claim.Spec.StorageClassName).To(HaveValue(Equal("fast")))
	workload := all["Deployment id-idp"].(*appsv1.Deployment)
	g.Expect(workload.Spec.Strategy).To(Equal(appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}))
	container := workload.Spec.Template.Spec.Containers[0]
	g.Expect(container.Args).To(ConsistOf(
		"--external-url=https://id.acme.example", "--listen=:8080", "--admin-listen=:8443", "--metrics-listen=:9090",
		"--admin-certificate-file=/etc/tegata/admin/tls.crt", "--admin-key-file=/etc/tegata/admin/tls.key", "--admin-client-ca-file=/etc/tegata/admin/ca.crt",
		"--key-file=/etc/tegata/key/key", "--sqlite=/var/lib/tegata/tegata.db"))
	g.Expect(container.Env).To(BeEmpty())
	g.Expect(mountPaths(container)).To(Equal(map[string]string{"key": "/etc/tegata/key", "admin": "/etc/tegata/admin", "tmp": "/tmp", "data": "/var/lib/tegata"}))
}

func TestObjectsOnPostgres(t *testing.T) {
	g := NewWithT(t)
	all := made(postgres())
	g.Expect(names(all)).To(ConsistOf("Service id-idp", "Service id-idp-admin", "Service id-idp-metrics", "NetworkPolicy id-idp", "Deployment id-idp", "PodDisruptionBudget id-idp"))
	g.Expect(all["PodDisruptionBudget id-idp"].(*policyv1.PodDisruptionBudget).Spec.MaxUnavailable.IntValue()).To(Equal(1))
	workload := all["Deployment id-idp"].(*appsv1.Deployment)
	g.Expect(workload.OwnerReferences).To(HaveLen(1))
	g.Expect(workload.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
	g.Expect(workload.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue()).To(BeZero())
	container := workload.Spec.Template.Spec.Containers[0]
	g.Expect(container.Args).To(ContainElements(
		"--postgres-dsn-file=/etc/tegata/postgres/url", "--trusted-proxies=10.0.0.0/8,2001:db8::/32",
		"--smtp-host=smtp", "--smtp-port=587", "--smtp-security=STARTTLS", "--smtp-from=Tegata <a@acme.example>", "--smtp-password-file=/etc/tegata/mail/password"))
	g.Expect(container.Env).To(HaveLen(1))
	g.Expect(container.Env[0].ValueFrom.SecretKeyRef.Key).To(Equal("username"))
	g.Expect(mountPaths(container)).To(Equal(map[string]string{
		"key": "/etc/tegata/key", "admin": "/etc/tegata/admin", "tmp": "/tmp", "postgres": "/etc/tegata/postgres", "mail": "/etc/tegata/mail"}))

	written, err := json.Marshal(all)
	g.Expect(err).NotTo(HaveOccurred())
	for _, secret := range []string{"dsn-secret", testPassword, "user-secret", testKey} {
		g.Expect(string(written)).NotTo(ContainSubstring(secret))
	}
	for _, volume := range workload.Spec.Template.Spec.Volumes {
		if volume.Secret != nil {
			g.Expect(volume.Secret.SecretName).NotTo(Equal(clientSecretName("id")), "the authority's key stays with the operator")
		}
	}
}

func TestPodsAreRestricted(t *testing.T) {
	g := NewWithT(t)
	pod := made(postgres())["Deployment id-idp"].(*appsv1.Deployment).Spec.Template.Spec
	g.Expect(pod.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	g.Expect(pod.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()))
	g.Expect(pod.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
	for _, container := range pod.Containers {
		g.Expect(container.SecurityContext.AllowPrivilegeEscalation).To(HaveValue(BeFalse()))
		g.Expect(container.SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()))
		g.Expect(container.SecurityContext.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")))
	}
}

func TestAdminPortIsTheOperatorsOnly(t *testing.T) {
	g := NewWithT(t)
	policy := made(sqlite())["NetworkPolicy id-idp"].(*networkingv1.NetworkPolicy)
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			if port.Port.IntValue() != adminPort {
				continue
			}
			g.Expect(rule.From).To(HaveLen(1))
			g.Expect(rule.From[0].PodSelector.MatchLabels).To(Equal(map[string]string{"app.kubernetes.io/name": "tegata-operator"}))
			g.Expect(rule.From[0].NamespaceSelector.MatchLabels).To(Equal(map[string]string{"kubernetes.io/metadata.name": "tegata-system"}))
			return
		}
	}
	t.Error("no rule for the admin port")
}

func TestRevision(t *testing.T) {
	g := NewWithT(t)
	before := revision(postgres())
	g.Expect(revision(postgres())).To(Equal(before))
	for name, test := range map[string]struct {
		change  func(*controllers.ServerConfig)
		changes bool
	}{
		"connection string": {func(c *controllers.ServerConfig) { c.PostgresDSN = "postgres://other" }, true},
		"mail password":     {func(c *controllers.ServerConfig) { c.Mail.Password = "other" }, true},
		"mail user":         {func(c *controllers.ServerConfig) { c.Mail.Username = "other" }, true},
		"sealing key":       {func(c *controllers.ServerConfig) { c.Key = []byte("another key") }, true},
		"replicas":          {func(c *controllers.ServerConfig) { c.Deployment.Replicas = 5 }, false},
		"mail host":         {func(c *controllers.ServerConfig) { c.Mail.Host = "other" }, false}, // an argument, which rolls by itself
	} {
		config := postgres()
		test.change(&config)
		g.Expect(revision(config) != before).To(Equal(test.changes), name)
	}
}

func mountPaths(container corev1.Container) map[string]string {
	paths := map[string]string{}
	for _, mount := range container.VolumeMounts {
		paths[mount.Name] = mount.MountPath
	}
	return paths
}
