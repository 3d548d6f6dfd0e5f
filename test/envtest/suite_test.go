/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package envtest runs the controllers with the real IdP against a real
// kube-apiserver and etcd.
package envtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/deployed"
	"tegata.dev/tegata/internal/embedded"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/password"
)

const (
	// patience bounds every wait; a healthy run needs a fraction of it.
	patience = 30 * time.Second
	// glance is between two looks.
	glance = 50 * time.Millisecond
)

var (
	scheme = runtime.NewScheme()
	shared *cluster
	// sharedData is where the operator of the shared cluster keeps SQLite files.
	sharedData string
	ctx        = context.Background()
	sequence   atomic.Int32
)

// operatorUser is in no group, so that it may only do what it is bound to.
var operatorUser = envtest.User{Name: "tegata-operator"}

// cluster is an API server with a client of its own, which may do everything.
type cluster struct {
	environment *envtest.Environment
	k8s         client.Client
	// operator is a user who may do what config/rbac grants the operator, and no more.
	operator *envtest.AuthenticatedUser
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set; run make test, or export KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh)")
		return 1
	}
	var err error
	if shared, err = startCluster(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.stop()
	sharedData = must(os.MkdirTemp("", "tegata-envtest-"))
	stop := startOperator(shared.operator.Config(), sharedData)
	code := m.Run()
	stop()
	if refused := forbidden.Load(); refused != nil {
		fmt.Fprintln(os.Stderr, "FAIL: config/rbac/role.yaml does not allow the operator to", *refused)
		return 1
	}
	if panics := recoveredPanics(); panics > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: controllers recovered from %v panics\n", panics)
		return 1
	}
	return code
}

func startCluster() (*cluster, error) {
	c := &cluster{environment: &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}}
	config, err := c.environment.Start()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	if c.k8s, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	c.operator, err = c.addOperator(config)
	return c, err
}

// addOperator makes the operator's user and binds it to the generated role.
func (c *cluster) addOperator(config *rest.Config) (*envtest.AuthenticatedUser, error) {
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(content, role); err != nil {
		return nil, err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operatorUser.Name}},
	}
	if err := errors.Join(c.k8s.Create(ctx, role), c.k8s.Create(ctx, binding)); err != nil {
		return nil, err
	}
	return c.environment.AddUser(operatorUser, rest.CopyConfig(config))
}

func (c *cluster) stop() {
	if err := c.environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// startOperator runs every controller in this process until stop is called.
func startOperator(restConfig *rest.Config, dataDirectory string) (stop func()) {
	restConfig = rest.CopyConfig(restConfig)
	restConfig.Wrap(noteForbidden)
	mgr := must(ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:     scheme,
		Logger:     complaints.logger(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Cache:      cache.Options{DefaultTransform: controllers.SlimObject, ByObject: controllers.OnlyOurs()},
		Client:     client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		Controller: config.Controller{SkipNameValidation: ptrTo(true)},
	}))
	launcher := embedded.NewLauncher(embedded.Options{
		DataDirectory: dataDirectory, Version: "test", Log: logr.Discard(), Adjust: adjust,
	})
	pods := deployed.NewLauncher(mgr.GetClient(), mgr.GetAPIReader(), deployed.Options{
		Image: "registry.example/tegata-idp:test", Version: "test", OperatorNamespace: "tegata-system", DialContext: dialPods,
	})
	running, cancel := context.WithCancel(ctx)
	if err := mgr.Add(launcher); err != nil {
		panic(err)
	}
	if err := controllers.SetupWithManager(running, mgr, controllers.Options{Embedded: noting{launcher}, Deployed: pods, Clock: now, Services: makeService}); err != nil {
		panic(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := mgr.Start(running); err != nil {
			panic(err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// noting notes the services of identity servers, by their names.
type noting struct{ *embedded.Launcher }

var identityServices sync.Map

// Ensure implements controllers.Launcher.
func (n noting) Ensure(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig) (controllers.Serving, error) {
	serving, err := n.Launcher.Ensure(ctx, name, config)
	if serving.Service != nil {
		identityServices.Store(name, serving.Service)
	}
	return serving, err
}

// audit lists what the place's identity server noted of an action, newest first.
func (p *place) audit(action string) []admin.AuditEntry {
	p.t.Helper()
	service, found := identityServices.Load(types.NamespacedName{Namespace: p.namespace, Name: "id"})
	p.Expect(found).To(BeTrue())
	return must(service.(admin.Service).SearchAudit(ctx, admin.AuditQuery{Action: action}))
}

// offset is how far the operator's and the IdP's clock is ahead.
var offset atomic.Int64

// now is the clock of the operators in this process and of their servers.
func now() time.Time { return time.Now().Add(time.Duration(offset.Load())) }

// adjust keeps argon2id real but cheap, as its cost is tested where it belongs,
// and lets tests move the clock.
func adjust(o *idp.Options) {
	o.Password = password.Options{Memory: 64, Time: 1}
	o.Now = now
}

// recoveredPanics counts the panics that controller-runtime caught.
func recoveredPanics() float64 {
	families, err := metrics.Registry.Gather()
	if err != nil {
		panic(err)
	}
	total := 0.0
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_panics_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			total += metric.GetCounter().GetValue()
		}
	}
	return total
}

// place is a namespace with a running IdentityServer and an accepted Tenant.
type place struct {
	*WithT
	*cluster
	t         *testing.T
	namespace string
	url       string
}

// newPlace makes a namespace, an IdentityServer "id" and a Tenant "acme" with a
// slug of its own, and waits until they are Current.
func newPlace(t *testing.T, adjust ...func(*v1alpha1.Tenant)) *place {
	t.Helper()
	p := newNamespace(t)
	p.settle(adjust...)
	return p
}

// settle makes the IdentityServer and the Tenant of a place.
func (p *place) settle(adjust ...func(*v1alpha1.Tenant)) {
	p.t.Helper()
	p.create(p.identityServer())
	tenant := p.tenant()
	for _, change := range adjust {
		change(tenant)
	}
	p.create(tenant)
	p.current(tenant)
}

func newNamespace(t *testing.T) *place {
	t.Helper()
	return newNamespaceIn(t, shared)
}

func newNamespaceIn(t *testing.T, c *cluster) *place {
	t.Helper()
	p := &place{WithT: NewWithT(t), cluster: c, t: t, namespace: fmt.Sprintf("t%d", sequence.Add(1))}
	p.url = fmt.Sprintf("http://127.0.0.1:%d", freePort())
	p.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace, Labels: map[string]string{"test": p.namespace}}})
	t.Cleanup(func() { p.removeServers() })
	return p
}

// removeServers frees the ports, so that servers of finished tests do not pile up.
func (p *place) removeServers() {
	servers := &v1alpha1.IdentityServerList{}
	p.Expect(p.k8s.List(ctx, servers, client.InNamespace(p.namespace))).To(Succeed())
	for i := range servers.Items {
		p.Expect(client.IgnoreNotFound(p.k8s.Delete(ctx, &servers.Items[i]))).To(Succeed())
		p.gone(&servers.Items[i])
	}
}

func (p *place) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: p.namespace, Name: name}
}

func (p *place) identityServer() *v1alpha1.IdentityServer {
	return &v1alpha1.IdentityServer{
		ObjectMeta: p.meta("id"),
		Spec: v1alpha1.IdentityServerSpec{
			ExternalURL: p.url,
			Embedded:    &v1alpha1.EmbeddedServer{Listen: strings.TrimPrefix(p.url, "http://")},
		},
	}
}

func (p *place) tenant() *v1alpha1.Tenant {
	return &v1alpha1.Tenant{
		ObjectMeta: p.meta("acme"),
		Spec: v1alpha1.TenantSpec{
			IdentityServerRef: v1alpha1.IdentityServerReference{Name: "id"},
			DisplayName:       "株式会社アクメ",
			Attributes: []v1alpha1.AttributeDefinition{
				{Name: "employeeNumber", DisplayName: "社員番号", Unique: ptrTo(true)},
				{Name: "costCenter", DisplayName: "原価部門"},
			},
		},
	}
}

func (p *place) member(name string, change ...func(*v1alpha1.Member)) *v1alpha1.Member {
	member := &v1alpha1.Member{
		ObjectMeta: p.meta(name),
		Spec: v1alpha1.MemberSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"},
			Name:      v1alpha1.PersonName{Family: "山田", Given: "太郎"},
			Mail:      name + "@" + p.namespace + ".example",
			Role:      "Staff",
		},
	}
	for _, c := range change {
		c(member)
	}
	return member
}

func temporary(member *v1alpha1.Member) { member.Spec.PasswordSetup = "TemporaryPassword" }

func (p *place) group(name string, members ...v1alpha1.GroupMember) *v1alpha1.Group {
	return &v1alpha1.Group{
		ObjectMeta: p.meta(name),
		Spec: v1alpha1.GroupSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"}, DisplayName: "営業部", Members: members,
		},
	}
}

func administrator(name string) v1alpha1.GroupMember {
	return v1alpha1.GroupMember{MemberRef: v1alpha1.MemberReference{Name: name}, Role: "Administrator"}
}

func (p *place) samlApp(name string) *v1alpha1.SAMLApp {
	return &v1alpha1.SAMLApp{
		ObjectMeta: p.meta(name),
		Spec: v1alpha1.SAMLAppSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"}, DisplayName: "社内Wiki",
			ServiceProvider: v1alpha1.ServiceProvider{
				EntityID:                  "https://" + name + ".example/saml",
				AssertionConsumerServices: []v1alpha1.AssertionConsumerService{{URL: "https://" + name + ".example/saml/acs"}},
			},
			Permissions: []v1alpha1.AppPermission{
				{Name: "admin", Administrator: ptrTo(true)}, {Name: "editor"}, {Name: "viewer"},
			},
			DefaultPermission: "viewer",
		},
	}
}

func (p *place) linkApp(name string) *v1alpha1.LinkApp {
	return &v1alpha1.LinkApp{
		ObjectMeta: p.meta(name),
		Spec: v1alpha1.LinkAppSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"}, DisplayName: "就業規則", URL: "https://handbook.example/",
		},
	}
}

func freePort() int {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func ptrTo[T any](value T) *T { return &value }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
