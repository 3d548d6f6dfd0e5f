/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package docs

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/deployed"
	"tegata.dev/tegata/internal/embedded"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/password"
)

const (
	// patience bounds every wait; a healthy run needs a fraction of it.
	patience = 30 * time.Second
	glance   = 50 * time.Millisecond
)

// site is a real API server with the operator and an IdentityServer that runs.
type site struct {
	*WithT
	t         *testing.T
	k8s       client.Client
	namespace string
	url       string
}

// newSite starts everything; the IdentityServer is named as the documents name theirs.
func newSite(t *testing.T, namespace string) *site {
	t.Helper()
	s := &site{WithT: NewWithT(t), t: t, namespace: namespace}
	ctrl.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	s.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	s.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	environment := &envtest.Environment{CRDDirectoryPaths: []string{crds}, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	s.Expect(err).NotTo(HaveOccurred(), "KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh) names the API server")
	t.Cleanup(func() { s.Expect(environment.Stop()).To(Succeed()) })
	s.k8s, err = client.New(config, client.Options{Scheme: scheme})
	s.Expect(err).NotTo(HaveOccurred())
	s.runOperator(config, scheme)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.Expect(err).NotTo(HaveOccurred())
	address := listener.Addr().String()
	s.Expect(listener.Close()).To(Succeed())
	s.url = "http://" + address
	s.Expect(s.k8s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	s.Expect(s.k8s.Create(t.Context(), &v1alpha1.IdentityServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "id"},
		Spec:       v1alpha1.IdentityServerSpec{ExternalURL: s.url, Embedded: &v1alpha1.EmbeddedServer{Listen: address}},
	})).To(Succeed())
	return s
}

// runOperator runs every controller in this process until the test ends.
func (s *site) runOperator(config *rest.Config, scheme *runtime.Scheme) {
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"},
		Cache:  cache.Options{DefaultTransform: controllers.SlimObject, ByObject: controllers.OnlyOurs()},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
	})
	s.Expect(err).NotTo(HaveOccurred())
	launcher := embedded.NewLauncher(embedded.Options{
		DataDirectory: s.t.TempDir(), Version: "test", Log: logr.Discard(),
		// Real argon2id, but cheap: its cost is tested where it belongs.
		Adjust: func(o *idp.Options) { o.Password = password.Options{Memory: 64, Time: 1} },
	})
	pods := deployed.NewLauncher(mgr.GetClient(), mgr.GetAPIReader(), deployed.Options{
		Image: "registry.example/tegata-idp:test", Version: "test", OperatorNamespace: "tegata-system",
	})
	s.Expect(mgr.Add(launcher)).To(Succeed())
	running, stop := context.WithCancel(context.Background())
	s.Expect(controllers.SetupWithManager(running, mgr, controllers.Options{Embedded: launcher, Deployed: pods})).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	s.t.Cleanup(func() {
		stop()
		s.Expect(<-ended).To(Succeed())
	})
}

// apply applies the examples of one document, which may hold no other namespace.
func (s *site) apply(all []example, document string) {
	s.t.Helper()
	found := 0
	for _, e := range all {
		if !strings.HasPrefix(e.place, document+":") {
			continue
		}
		found++
		s.Expect(e.object.GetNamespace()).To(Equal(s.namespace), e.place)
		body, err := e.object.MarshalJSON()
		s.Expect(err).NotTo(HaveOccurred())
		s.Expect(s.k8s.Patch(s.t.Context(), e.object.DeepCopy(), client.RawPatch(types.ApplyPatchType, body),
			client.FieldOwner("docs"), client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), e.place)
	}
	s.Expect(found).NotTo(BeZero(), "no example in %s", document)
}

// ready waits until the object is Ready, and reads it.
func (s *site) ready(object client.Object, conditions func() []metav1.Condition) {
	s.t.Helper()
	s.Eventually(func(g Gomega) {
		g.Expect(s.k8s.Get(s.t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
		g.Expect(conditions()).To(ContainElement(And(HaveField("Type", "Ready"), HaveField("Status", metav1.ConditionTrue))))
	}, patience, glance).Should(Succeed())
}
