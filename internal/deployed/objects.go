/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/controllers"
)

const (
	containerName = "idp"
	// nonRoot is the user and group of the image.
	nonRoot = 65532

	sitePort    = 8080
	adminPort   = 8443
	metricsPort = 9090

	dataPath     = "/var/lib/tegata"
	keyPath      = "/etc/tegata/key"
	adminPath    = "/etc/tegata/admin"
	postgresPath = "/etc/tegata/postgres"
	mailPath     = "/etc/tegata/mail"

	// operatorName is app.kubernetes.io/name of the operator's pods.
	operatorName = "tegata-operator"
)

func workloadName(name string) string     { return name + "-idp" }
func adminName(name string) string        { return name + "-idp-admin" }
func metricsName(name string) string      { return name + "-idp-metrics" }
func serverSecretName(name string) string { return name + "-idp-admin-server" }
func clientSecretName(name string) string { return name + "-idp-admin-client" }
func adminHost(name types.NamespacedName) string {
	return adminName(name.Name) + "." + name.Namespace + ".svc"
}

func labels(name string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": "tegata-idp", "app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": operatorName,
	}
}

// selector leaves out managed-by, so that what selects never has to change.
func selector(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "tegata-idp", "app.kubernetes.io/instance": name}}
}

// objects is everything that one server consists of, beside its Secrets and
// its HTTPRoute, of which a cluster may not have the kind.
func objects(name types.NamespacedName, config controllers.ServerConfig, image, revision, operatorNamespace string) []client.Object {
	all := []client.Object{
		service(name, workloadName(name.Name), config, siteServicePort, sitePort, "http"),
		service(name, adminName(name.Name), config, adminPort, adminPort, "admin"),
		service(name, metricsName(name.Name), config, metricsPort, metricsPort, "metrics"),
		networkPolicy(name, config, operatorNamespace),
		deployment(name, config, image, revision),
	}
	if config.PostgresDSN == "" {
		all = append(all, volumeClaim(name, config))
	}
	if declares(config, "PodDisruptionBudget") {
		all = append(all, disruptionBudget(name, config))
	}
	if declares(config, "Ingress") {
		all = append(all, ingress(name, config))
	}
	return all
}

// imageOf is the image to run and its version, which is unknown of an image
// that the spec names.
func imageOf(d *controllers.DeploymentConfig, o Options) (image, version string, err error) {
	switch {
	case d.Image != "":
		return d.Image, "", nil
	case o.Image == "" && d.Version != "":
		return "", "", &controllers.InvalidError{Message: "spec.deployment.version is a tag of the operator's --idp-image, which is not set: set that, or spec.deployment.image instead of version."}
	case o.Image == "":
		return "", "", &controllers.InvalidError{Message: "No image is known: set spec.deployment.image or the operator's --idp-image."}
	case d.Version != "":
		return repository(o.Image) + ":" + d.Version, d.Version, nil
	}
	return o.Image, o.Version, nil
}

// repository is an image's name without tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		return image[:colon]
	}
	return image
}

func meta(name types.NamespacedName, objectName string, config controllers.ServerConfig) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: name.Namespace, Name: objectName, Labels: labels(name.Name),
		OwnerReferences: []metav1.OwnerReference{config.Deployment.Owner},
	}
}

func service(name types.NamespacedName, serviceName string, config controllers.ServerConfig, port, target int32, portName string) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(name, serviceName, config),
		Spec: corev1.ServiceSpec{
			Selector: selector(name.Name).MatchLabels,
			Ports:    []corev1.ServicePort{{Name: portName, Port: port, TargetPort: intstr.FromInt32(target), Protocol: corev1.ProtocolTCP}},
		},
	}
}

// volumeClaim is not owned by the server: deleting and making it again must lose nobody.
func volumeClaim(name types.NamespacedName, config controllers.ServerConfig) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: workloadName(name.Name), Labels: labels(name.Name)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: config.Deployment.VolumeSize}},
		},
	}
	if class := config.Deployment.StorageClassName; class != "" {
		claim.Spec.StorageClassName = &class
	}
	return claim
}

func disruptionBudget(name types.NamespacedName, config controllers.ServerConfig) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: meta(name, workloadName(name.Name), config),
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector: selector(name.Name), MaxUnavailable: ptr.To(intstr.FromInt32(1)),
			// Pods that wait for a database serve nobody, so they must not hold up a node's drain.
			UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
		},
	}
}

// networkPolicy lets anybody reach the site and the metrics, and the operator's pods alone the admin API.
func networkPolicy(name types.NamespacedName, config controllers.ServerConfig, operatorNamespace string) *networkingv1.NetworkPolicy {
	port := func(number int32) networkingv1.NetworkPolicyPort {
		return networkingv1.NetworkPolicyPort{Protocol: ptr.To(corev1.ProtocolTCP), Port: ptr.To(intstr.FromInt32(number))}
	}
	operator := networkingv1.NetworkPolicyPeer{
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": operatorName}},
		NamespaceSelector: &metav1.LabelSelector{},
	}
	if operatorNamespace != "" {
		operator.NamespaceSelector.MatchLabels = map[string]string{corev1.LabelMetadataName: operatorNamespace}
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: meta(name, workloadName(name.Name), config),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: *selector(name.Name),
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{Ports: []networkingv1.NetworkPolicyPort{port(sitePort), port(metricsPort)}},
				{Ports: []networkingv1.NetworkPolicyPort{port(adminPort)}, From: []networkingv1.NetworkPolicyPeer{operator}},
			},
		},
	}
}

func deployment(name types.NamespacedName, config controllers.ServerConfig, image, revision string) *appsv1.Deployment {
	strategy := appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
		MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))}}
	if config.PostgresDSN == "" {
		// Two processes must never hold one SQLite file.
		strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta(name, workloadName(name.Name), config),
		Spec: appsv1.DeploymentSpec{
			Replicas:             ptr.To(config.Deployment.Replicas),
			Selector:             selector(name.Name),
			Strategy:             strategy,
			RevisionHistoryLimit: ptr.To[int32](3),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels: labels(name.Name),
					// A changed Secret starts a rollout; the mark does not tell what is in it.
					Annotations: map[string]string{"identity.tegata.dev/configuration": revision},
				},
				Spec: podSpec(name, config, image),
			},
		},
	}
}

func podSpec(name types.NamespacedName, config controllers.ServerConfig, image string) corev1.PodSpec {
	probe := func(path string, period int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}},
			PeriodSeconds: period, TimeoutSeconds: 3, FailureThreshold: 3, SuccessThreshold: 1,
		}
	}
	startup := probe("/healthz", 1)
	startup.FailureThreshold = 60
	// While the database fails over, for 10 to 20 s, no pod would do better: one
	// that stays in its Service answers with 503 and Retry-After, and nobody is refused.
	readiness := probe("/readyz", 2)
	readiness.FailureThreshold = 10
	container := corev1.Container{
		Name: containerName, Image: image, Args: arguments(config), Env: environment(config),
		Ports: []corev1.ContainerPort{
			{Name: "http", ContainerPort: sitePort, Protocol: corev1.ProtocolTCP},
			{Name: "admin", ContainerPort: adminPort, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: metricsPort, Protocol: corev1.ProtocolTCP},
		},
		StartupProbe: startup, ReadinessProbe: readiness, LivenessProbe: probe("/healthz", 10),
		// What it says last is in the pod's status, where the operator reads it.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: mustParse("100m"), corev1.ResourceMemory: mustParse("128Mi")}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	spec := corev1.PodSpec{
		// The data plane holds no Kubernetes credentials.
		AutomountServiceAccountToken: ptr.To(false),
		EnableServiceLinks:           ptr.To(false),
		// Readiness goes off first, then requests under way are finished.
		TerminationGracePeriodSeconds: ptr.To[int64](45),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](nonRoot), RunAsGroup: ptr.To[int64](nonRoot), FSGroup: ptr.To[int64](nonRoot),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: selector(name.Name),
		}},
	}
	for _, m := range mounts(name, config) {
		spec.Volumes = append(spec.Volumes, m.volume)
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: m.volume.Name, MountPath: m.path, ReadOnly: m.volume.Secret != nil})
	}
	spec.Containers = []corev1.Container{container}
	return spec
}

// mount is a volume and where it goes.
type mount struct {
	volume corev1.Volume
	path   string
}

func mounts(name types.NamespacedName, config controllers.ServerConfig) []mount {
	secret := func(volume, secretName, path string, keys ...string) mount {
		source := &corev1.SecretVolumeSource{SecretName: secretName, DefaultMode: ptr.To[int32](0o440)}
		for _, key := range keys {
			source.Items = append(source.Items, corev1.KeyToPath{Key: key, Path: key})
		}
		return mount{corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{Secret: source}}, path}
	}
	d := config.Deployment
	all := []mount{
		secret("key", d.KeySecret.Name, keyPath, d.KeySecret.Key),
		secret("admin", serverSecretName(name.Name), adminPath),
		{corev1.Volume{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}, "/tmp"},
	}
	if config.PostgresDSN != "" {
		all = append(all, secret("postgres", d.PostgresSecret.Name, postgresPath, d.PostgresSecret.Key))
	} else {
		claim := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: workloadName(name.Name)}
		all = append(all, mount{corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}}, dataPath})
	}
	if d.MailSecret != "" {
		all = append(all, secret("mail", d.MailSecret, mailPath, corev1.BasicAuthPasswordKey))
	}
	return all
}

// arguments are tegata-idp's flags; no secret is among them.
func arguments(config controllers.ServerConfig) []string {
	d := config.Deployment
	flags := []string{
		"--external-url=" + config.ExternalURL,
		fmt.Sprintf("--listen=:%d", sitePort),
		fmt.Sprintf("--admin-listen=:%d", adminPort),
		fmt.Sprintf("--metrics-listen=:%d", metricsPort),
		"--admin-certificate-file=" + adminPath + "/" + corev1.TLSCertKey,
		"--admin-key-file=" + adminPath + "/" + corev1.TLSPrivateKeyKey,
		"--admin-client-ca-file=" + adminPath + "/" + authorityCertificate,
		"--key-file=" + keyPath + "/" + d.KeySecret.Key,
	}
	if config.PostgresDSN != "" {
		flags = append(flags, "--postgres-dsn-file="+postgresPath+"/"+d.PostgresSecret.Key)
	} else {
		flags = append(flags, "--sqlite="+dataPath+"/tegata.db")
	}
	if len(config.TrustedProxies) > 0 {
		proxies := make([]string, len(config.TrustedProxies))
		for i, prefix := range config.TrustedProxies {
			proxies[i] = prefix.String()
		}
		flags = append(flags, "--trusted-proxies="+strings.Join(proxies, ","))
	}
	return append(flags, mailArguments(config)...)
}

func mailArguments(config controllers.ServerConfig) []string {
	mail := config.Mail
	if mail == nil {
		return nil
	}
	security := mail.TLS
	if security == "StartTLS" {
		security = "STARTTLS"
	}
	flags := []string{
		"--smtp-host=" + mail.Host, "--smtp-port=" + strconv.Itoa(mail.Port), "--smtp-security=" + security, "--smtp-from=" + mail.From,
	}
	if config.Deployment.MailSecret != "" {
		flags = append(flags, "--smtp-password-file="+mailPath+"/"+corev1.BasicAuthPasswordKey)
	}
	return flags
}

func environment(config controllers.ServerConfig) []corev1.EnvVar {
	if config.Deployment.MailSecret == "" {
		return nil
	}
	return []corev1.EnvVar{{Name: "TEGATA_SMTP_USERNAME", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: config.Deployment.MailSecret}, Key: corev1.BasicAuthUsernameKey,
	}}}}
}
