/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// IdentityServerSpec declares an identity provider server.
// +kubebuilder:validation:XValidation:rule="has(self.embedded) != has(self.deployment)",message="say where the server runs: set exactly one of deployment (pods of its own) and embedded (in the operator's process)"
// +kubebuilder:validation:XValidation:rule="has(self.embedded) == has(oldSelf.embedded)",message="the mode is immutable, as the data does not move; delete the IdentityServer and make it again on the same database instead"
// +kubebuilder:validation:XValidation:rule="!has(self.deployment) || !has(self.deployment.replicas) || self.deployment.replicas <= 1 || (has(self.storage) && has(self.storage.postgres))",message="more than one replica needs storage.postgres; a SQLite file belongs to one process"
// +kubebuilder:validation:XValidation:rule="!has(self.deployment) || !(has(self.deployment.ingress) || has(self.deployment.httpRoute)) || self.externalURL.matches('(?i)^https?://([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])*[a-z]([-a-z0-9]*[a-z0-9])?(:[0-9]+)?$')",message="deployment.ingress and deployment.httpRoute are for host names, and externalURL has an address or no valid name: give it a DNS name, or leave both out and bring requests to the Service yourself"
type IdentityServerSpec struct {
	// externalURL is the address members and service providers see, without a
	// path, for example https://id.example.co.jp. It is part of every SAML
	// issuer, so changing it means telling every service provider. Plain http
	// is allowed for loopback addresses only.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([A-Za-z0-9.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?$')",message="must be scheme://host[:port] without path, query or trailing slash, for example https://id.example.co.jp"
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.matches('^http://(localhost|127[.][0-9.]+|[[]::1[]])(:[0-9]+)?$')",message="must be https; plain http is allowed for loopback addresses (localhost, 127.0.0.1, [::1]) only"
	ExternalURL string `json:"externalURL,omitempty"`

	// embedded runs the server in the operator's own process: for trying
	// Tegata and for small installations.
	// +optional
	Embedded *EmbeddedServer `json:"embedded,omitempty"`

	// deployment runs the server in pods of its own: for clusters.
	// +optional
	Deployment *DeployedServer `json:"deployment,omitempty"`

	// storage is where the server keeps its database. Absent: a SQLite file, in
	// the operator's data directory or, with deployment, on a volume of 1Gi.
	// +optional
	Storage *Storage `json:"storage,omitempty"`

	// mail is how the server sends mail. Absent: mails wait until it is set.
	// +optional
	Mail *MailSettings `json:"mail,omitempty"`

	// trustedProxies are the networks (CIDR) whose X-Forwarded-For header tells
	// the member's address. Absent: nobody's does.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	TrustedProxies []CIDR `json:"trustedProxies,omitempty"`

	// metadataSources says where SAMLApps may have metadata of service providers
	// fetched from. Absent: from public addresses, by https.
	// +optional
	MetadataSources *MetadataSources `json:"metadataSources,omitempty"`

	// provisioningTargets says where ProvisioningTargets may be, beside public
	// addresses. Absent: at public addresses, by https.
	// +optional
	ProvisioningTargets *ProvisioningTargetNetworks `json:"provisioningTargets,omitempty"`

	// tenants says which namespaces may bring tenants. Absent: this
	// IdentityServer's own namespace.
	// +optional
	Tenants *AllowedTenants `json:"tenants,omitempty"`
}

// MetadataSources says where metadata of service providers may be fetched from,
// beside public addresses.
type MetadataSources struct {
	// allowedNetworks are the networks (CIDR) that the operator may connect to
	// although they are not public, and by plain http too. Whoever may write
	// SAMLApps of this server's tenants can have the operator ask there. Link-local
	// addresses, and with them the clouds' metadata services, are never connected to.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	AllowedNetworks []CIDR `json:"allowedNetworks,omitempty"`
}

// ProvisioningTargetNetworks says where ProvisioningTargets may be, beside
// public addresses.
type ProvisioningTargetNetworks struct {
	// allowedNetworks are the networks (CIDR) that the operator may connect to
	// although they are not public, and by plain http too. Whoever may write
	// ProvisioningTargets of this server's tenants can have the operator ask there.
	// Link-local addresses, and with them the clouds' metadata services, are never
	// connected to.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	AllowedNetworks []CIDR `json:"allowedNetworks,omitempty"`
}

// CIDR is an IPv4 or IPv6 network such as 10.0.0.0/8.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="must be a network in CIDR form, for example 10.0.0.0/8"
type CIDR string

// EmbeddedServer runs the IdP in the operator's process.
type EmbeddedServer struct {
	// listen is the address to serve on, for example 127.0.0.1:8080 or :8080.
	// TLS is ended by whatever stands in front.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^(([0-9A-Za-z.-]*)|([[][0-9A-Fa-f:.]+[]])):[0-9]{1,5}$')",message="must be host:port or :port"
	Listen string `json:"listen,omitempty"`
}

// DeployedServer runs the IdP in pods of its own, behind the Service "<name>-idp".
// +kubebuilder:validation:XValidation:rule="!(has(self.image) && has(self.version))",message="set at most one of image and version: an image says itself which version it is"
type DeployedServer struct {
	// replicas is how many pods serve. More than one needs storage.postgres. Absent: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Replicas int32 `json:"replicas,omitempty"`

	// image of the server. Absent: the one of version.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// version of the server, for example v1.4.0: a tag of the image that the
	// operator runs otherwise. Absent: the operator's own version.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]*$')",message="must be the tag of an image, for example v1.4.0: letters, digits, '_', '.' and '-', not beginning with '.' or '-'"
	Version string `json:"version,omitempty"`

	// ingress makes the Ingress "<name>-idp", which brings requests for the host
	// of externalURL to the server. Absent: none is made.
	// +optional
	Ingress *ServerIngress `json:"ingress,omitempty"`

	// httpRoute makes the HTTPRoute "<name>-idp" of the Gateway API, which brings
	// requests for the host of externalURL to the server. Absent: none is made.
	// +optional
	HTTPRoute *ServerHTTPRoute `json:"httpRoute,omitempty"`

	// podTemplate is merged over the pod template that the operator makes, as a
	// strategic merge patch: resources, node selectors, tolerations, labels. The
	// container is named "idp".
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	PodTemplate *runtime.RawExtension `json:"podTemplate,omitempty"`
}

// ServerIngress is the Ingress to a server.
type ServerIngress struct {
	// className is the IngressClass. Absent: the cluster's default at the time
	// when the Ingress is made.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`

	// tlsSecretName is the Secret in this namespace with the certificate of the
	// host; cert-manager and the like may write it. Absent: the controller's
	// default certificate, and TLS all the same where externalURL is https.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	TLSSecretName string `json:"tlsSecretName,omitempty"`

	// annotations of the Ingress, which is how controllers take their settings.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// labels of the Ingress.
	// +optional
	Labels ExtraLabels `json:"labels,omitempty"`
}

// ServerHTTPRoute is the HTTPRoute to a server.
type ServerHTTPRoute struct {
	// parentRefs are the Gateways that take the requests and end TLS.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	ParentRefs []GatewayReference `json:"parentRefs,omitempty"`

	// annotations of the HTTPRoute.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// labels of the HTTPRoute.
	// +optional
	Labels ExtraLabels `json:"labels,omitempty"`
}

// GatewayReference names a Gateway, or one listener of it.
type GatewayReference struct {
	// name of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace of the Gateway, whose listeners must admit this one. Absent: this namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// sectionName is the listener. Absent: every one that fits.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SectionName string `json:"sectionName,omitempty"`

	// port of the listener. Absent: any.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// LabelValue is the value of a label.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// ExtraLabels are labels beside the operator's own.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=32
// +kubebuilder:validation:XValidation:rule="!('app.kubernetes.io/name' in self || 'app.kubernetes.io/instance' in self || 'app.kubernetes.io/managed-by' in self)",message="app.kubernetes.io/name, app.kubernetes.io/instance and app.kubernetes.io/managed-by are the operator's own; leave them out"
type ExtraLabels map[string]LabelValue

// Storage is where the server keeps its database.
// +kubebuilder:validation:XValidation:rule="has(self.sqlite) != has(self.postgres)",message="set exactly one of sqlite and postgres"
type Storage struct {
	// sqlite keeps one file: in the operator's data directory, or, with
	// deployment, on a persistent volume.
	// +optional
	SQLite *SQLiteStorage `json:"sqlite,omitempty"`

	// postgres uses a PostgreSQL database (or a wire-compatible one).
	// +optional
	Postgres *PostgresStorage `json:"postgres,omitempty"`
}

// SQLiteStorage keeps one file.
type SQLiteStorage struct {
	// size of the persistent volume, with deployment. Absent: 1Gi.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`

	// storageClassName of the persistent volume, with deployment. Absent: the
	// cluster's default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StorageClassName string `json:"storageClassName,omitempty"`
}

// PostgresStorage uses a PostgreSQL database.
type PostgresStorage struct {
	// connectionSecretRef names the Secret key with the connection string,
	// for example postgres://user:password@host:5432/tegata?sslmode=verify-full.
	// +required
	ConnectionSecretRef SecretKeyReference `json:"connectionSecretRef,omitempty,omitzero"`
}

// MailSettings is how mail is sent.
type MailSettings struct {
	// from is the sender, for example "Tegata <no-reply@example.co.jp>".
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="self.matches('^([^<>@\\r\\n]*<[^<>@ ]+@[^<>@ ]+>|[^<>@ ]+@[^<>@ ]+)$')",message="must be a mail address or \"Name <address>\""
	From string `json:"from,omitempty"`

	// smtp is the server that takes the mail.
	// +required
	SMTP SMTPServer `json:"smtp,omitempty,omitzero"`
}

// SMTPServer takes mail.
type SMTPServer struct {
	// host name or address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`

	// port of the server, usually 587 (StartTLS), 465 (TLS) or 25.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// tls is how the connection is secured: StartTLS (default), TLS from the
	// first byte, or None.
	// +optional
	TLS SMTPTLSMode `json:"tls,omitempty"`

	// credentialsSecretRef names a kubernetes.io/basic-auth Secret (keys
	// username and password). Absent: no authentication.
	// +optional
	CredentialsSecretRef *SecretReference `json:"credentialsSecretRef,omitempty"`
}

// SMTPTLSMode is how an SMTP connection is secured.
// +kubebuilder:validation:Enum=StartTLS;TLS;None
type SMTPTLSMode string

// The SMTP TLS modes.
const (
	SMTPStartTLS SMTPTLSMode = "StartTLS"
	SMTPTLS      SMTPTLSMode = "TLS"
	SMTPPlain    SMTPTLSMode = "None"
)

// AllowedTenants says which namespaces may bring tenants, as a Gateway's
// allowedRoutes does.
// +kubebuilder:validation:XValidation:rule="(self.from == 'Selector') == has(self.selector)",message="selector goes with from: Selector, and only with it"
type AllowedTenants struct {
	// from is Same (this namespace), All, or Selector.
	// +required
	From NamespacesFrom `json:"from,omitempty"`

	// selector matches the labels of namespaces, where from is Selector.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// NamespacesFrom says which namespaces are admitted.
// +kubebuilder:validation:Enum=Same;All;Selector
type NamespacesFrom string

// The choices of NamespacesFrom.
const (
	NamespacesSame     NamespacesFrom = "Same"
	NamespacesAll      NamespacesFrom = "All"
	NamespacesSelector NamespacesFrom = "Selector"
)

// IdentityServerStatus tells how the server is.
type IdentityServerStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Accepted, ResolvedRefs, Published; Reconciling and
	// Stalled while they hold.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// externalURL is the address that the server serves now. It is another than
	// the declared one while a change is rolled out, and while another
	// IdentityServer has the declared one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ExternalURL string `json:"externalURL,omitempty"`

	// version of the server that runs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// storage is where the data is: SQLite or PostgreSQL.
	// +optional
	// +kubebuilder:validation:Enum=SQLite;PostgreSQL
	Storage string `json:"storage,omitempty"`

	// replicas counts the pods that serve, with deployment.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// service is the Service that browsers' requests go to, at port 80, with
	// deployment.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Service string `json:"service,omitempty"`

	// tenants counts the tenants that name this server.
	// +optional
	Tenants *int32 `json:"tenants,omitempty"`
}

// IdentityServer is an identity provider server: the site where members log in
// and that service providers trust.
//
// +kubebuilder:validation:XValidation:rule="!has(self.spec.deployment) || self.metadata.name.matches('^[a-z][-a-z0-9]{0,50}$')",message="with deployment, the name becomes part of names of Services: at most 51 lower-case letters, digits and hyphens, beginning with a letter"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ids,categories=tegata
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.externalURL`
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.tenants`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Replicas",type=integer,priority=1,JSONPath=`.status.replicas`
// +kubebuilder:printcolumn:name="Storage",type=string,priority=1,JSONPath=`.status.storage`
// +kubebuilder:printcolumn:name="Version",type=string,priority=1,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type IdentityServer struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the server.
	// +required
	Spec IdentityServerSpec `json:"spec,omitempty,omitzero"`

	// status tells how the server is.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Accepted", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "ResolvedRefs", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Published", status: "Unknown", reason: "Pending", message: "Waiting for the operator.", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status IdentityServerStatus `json:"status,omitempty,omitzero"`
}

// IdentityServerList is a list of IdentityServers.
// +kubebuilder:object:root=true
type IdentityServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IdentityServer `json:"items"`
}
