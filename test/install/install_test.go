/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package install applies config/default to a real kube-apiserver and runs the
// operator as it is declared there: with those arguments, as that
// ServiceAccount, twice.
package install

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	root      = "../.."
	namespace = "tegata-system"
	operator  = "tegata-operator"
	lease     = "tegata-operator.identity.tegata.dev"
	patience  = time.Minute
	glance    = 100 * time.Millisecond
)

// world is an API server with config/default applied.
type world struct {
	*WithT
	t       *testing.T
	config  *rest.Config
	client  client.Client
	kubectl func(arguments ...string) string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	g := NewWithT(t)
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	g.Expect(assets).NotTo(BeEmpty(), "run make test, or export KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh)")
	environment := &envtest.Environment{}
	config, err := environment.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop kube-apiserver: %v", err)
		}
	})
	scheme := runtime.NewScheme()
	g.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	w := &world{WithT: g, t: t, config: config}
	w.client, err = client.New(config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())

	kubeconfig := filepath.Join(t.TempDir(), "admin")
	g.Expect(os.WriteFile(kubeconfig, environment.KubeConfig, 0o600)).To(Succeed())
	w.kubectl = func(arguments ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), append([]string{"--kubeconfig", kubeconfig, "--cache-dir", filepath.Dir(kubeconfig)}, arguments...)...) // #nosec G204 -- the test's own arguments
		output, err := command.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), "kubectl %s: %s", strings.Join(arguments, " "), output)
		return string(output)
	}
	return w
}

func (w *world) apply() string {
	w.t.Helper()
	return w.kubectl("apply", "--server-side", "--validate=strict", "-k", root+"/config/default")
}

// token is a token of the ServiceAccount.
func (w *world) token(name string) string {
	w.t.Helper()
	request := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	w.Expect(w.client.SubResource("token").Create(w.t.Context(), account, request)).To(Succeed())
	return request.Status.Token
}

// kubeconfig lets the ServiceAccount's token in.
func (w *world) kubeconfig(name string) string {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), name)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: w.config.Host, CertificateAuthorityData: w.config.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: w.token(name)}
	config.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "c"
	w.Expect(clientcmd.WriteToFile(*config, file)).To(Succeed())
	return file
}

// replica is one process of the operator.
type replica struct {
	process *exec.Cmd
	metrics string
	log     *bytes.Buffer
	// done is closed once the process has ended.
	done chan struct{}
}

// start runs the operator with the Deployment's arguments, but for the addresses.
func (w *world) start(program, kubeconfig string) *replica {
	w.t.Helper()
	workload := &appsv1.Deployment{}
	w.Expect(w.client.Get(w.t.Context(), types.NamespacedName{Namespace: namespace, Name: operator}, workload)).To(Succeed())
	container := workload.Spec.Template.Spec.Containers[0]
	image := "--idp-image=$(IDP_IMAGE)"
	w.Expect(container.Args).To(ContainElement(image), "the kubelet fills in the variable")
	r := &replica{metrics: freeAddress(w.t), log: &bytes.Buffer{}, done: make(chan struct{})}
	arguments := []string{"--kubeconfig=" + kubeconfig}
	for _, argument := range container.Args {
		if argument == image {
			argument = "--idp-image=registry.example/tegata-idp:test"
		}
		arguments = append(arguments, argument)
	}
	arguments = append(arguments, "--metrics-bind-address="+r.metrics, "--health-probe-bind-address=0")
	r.process = exec.CommandContext(context.WithoutCancel(w.t.Context()), program, arguments...) // #nosec G204 -- the test's own arguments
	r.process.Env = append(os.Environ(), "POD_NAMESPACE="+namespace)
	r.process.Stdout, r.process.Stderr = r.log, r.log
	w.Expect(r.process.Start()).To(Succeed())
	go func() {
		defer close(r.done)
		// How it ended stands in ProcessState.
		_ = r.process.Wait()
	}()
	w.t.Cleanup(func() {
		_ = r.process.Process.Kill()
		<-r.done
		if w.t.Failed() {
			w.t.Logf("operator:\n%s", r.log)
		}
	})
	return r
}

// holder is who holds the lease, "" for nobody.
func (w *world) holder() string {
	held := &coordinationv1.Lease{}
	err := w.client.Get(w.t.Context(), types.NamespacedName{Namespace: namespace, Name: lease}, held)
	if err != nil || held.Spec.HolderIdentity == nil {
		return ""
	}
	return *held.Spec.HolderIdentity
}

// stalledServer makes an IdentityServer whose Secret is missing, and waits for an operator to say so.
func (w *world) stalledServer(name string) {
	w.t.Helper()
	server := &v1alpha1.IdentityServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1alpha1.IdentityServerSpec{
			ExternalURL: "https://" + name + ".example", Deployment: &v1alpha1.DeployedServer{},
			Storage: &v1alpha1.Storage{Postgres: &v1alpha1.PostgresStorage{ConnectionSecretRef: v1alpha1.SecretKeyReference{Name: "absent", Key: "url"}}},
		},
	}
	w.Expect(w.client.Create(w.t.Context(), server)).To(Succeed())
	w.Eventually(func(g Gomega) {
		g.Expect(w.client.Get(w.t.Context(), client.ObjectKeyFromObject(server), server)).To(Succeed())
		g.Expect(server.Status.Conditions).To(ContainElement(And(
			HaveField("Type", v1alpha1.StalledCondition), HaveField("Status", metav1.ConditionTrue))))
	}, patience, glance).Should(Succeed())
}

func TestDefaultInstallation(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.apply()).To(ContainSubstring("deployment.apps/tegata-operator serverside-applied"))

	before := w.versions()
	w.apply()
	w.Expect(w.versions()).To(Equal(before), "applying again writes nothing")

	w.podIsAdmitted()

	program := filepath.Join(t.TempDir(), operator)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/tegata-operator")
	build.Dir = root
	output, err := build.CombinedOutput()
	w.Expect(err).NotTo(HaveOccurred(), string(output))

	kubeconfig := w.kubeconfig(operator)
	first := w.start(program, kubeconfig)
	w.Eventually(w.holder, patience, glance).ShouldNot(BeEmpty())
	leader := w.holder()
	second := w.start(program, kubeconfig)
	w.stalledServer("one")

	t.Run("the category can be waited for", func(*testing.T) {
		// What kubectl remembers is older than the CRDs.
		w.Expect(w.kubectl("--cache-dir="+t.TempDir(), "wait", "--for=condition=Stalled", "--all", "tegata", "-n", "default", "--timeout=5s")).To(ContainSubstring("identityserver.identity.tegata.dev/one condition met"))
	})

	t.Run("metrics are for those who may read them", func(*testing.T) {
		w.metricsAreReviewed(first)
		w.metricsAreReviewed(second)
		w.Expect(w.holder()).To(Equal(leader), "the second stands by")
	})

	t.Run("a leader that is stopped hands over at once", func(*testing.T) {
		w.Expect(first.process.Process.Signal(os.Interrupt)).To(Succeed())
		w.Eventually(first.done, patience).Should(BeClosed())
		w.Expect(first.process.ProcessState.ExitCode()).To(BeZero())
		// Far less than the lease lasts, which is 15 s.
		w.Eventually(w.holder, 10*time.Second, glance).ShouldNot(Or(BeEmpty(), Equal(leader)))
		w.stalledServer("two")
	})

	t.Run("a leader that is killed is succeeded", func(*testing.T) {
		leader := w.holder()
		third := w.start(program, kubeconfig)
		w.Expect(second.process.Process.Kill()).To(Succeed())
		w.Eventually(w.holder, patience, glance).ShouldNot(Or(BeEmpty(), Equal(leader)))
		w.stalledServer("three")
		w.Expect(third.process.Process.Signal(os.Interrupt)).To(Succeed())
		w.Eventually(third.done, patience).Should(BeClosed())
		w.Expect(third.log.String()).NotTo(ContainSubstring("is forbidden"))
	})
}

// versions are the resource versions of what was applied.
func (w *world) versions() map[string]string {
	w.t.Helper()
	lines := w.kubectl("get", "-k", root+"/config/default", "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation} {.metadata.uid} {.metadata.labels}{"\n"}{end}`)
	versions := map[string]string{}
	for line := range strings.Lines(lines) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[name] = version
	}
	w.Expect(len(versions)).To(BeNumerically(">", 20))
	return versions
}

// podIsAdmitted makes the Deployment's pod, as its controller would, under the
// namespace's level "restricted".
func (w *world) podIsAdmitted() {
	w.t.Helper()
	workload := &appsv1.Deployment{}
	w.Expect(w.client.Get(w.t.Context(), types.NamespacedName{Namespace: namespace, Name: operator}, workload)).To(Succeed())
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe", Labels: workload.Spec.Template.Labels},
		Spec:       workload.Spec.Template.Spec,
	}
	w.Expect(w.client.Create(w.t.Context(), pod, client.DryRunAll)).To(Succeed())
	pod.Spec.Containers[0].SecurityContext = nil
	w.Expect(w.client.Create(w.t.Context(), pod, client.DryRunAll)).To(MatchError(ContainSubstring("PodSecurity")), "the level is enforced")
}

func (w *world) metricsAreReviewed(r *replica) {
	w.t.Helper()
	reader := "reader"
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: reader}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "test-metrics-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tegata-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: reader}},
	}
	w.Expect(client.IgnoreAlreadyExists(w.client.Create(w.t.Context(), account))).To(Succeed())
	w.Eventually(func() (int, error) { status, _, err := w.scrape(r, ""); return status, err }, patience, glance).Should(Equal(http.StatusUnauthorized))
	status, _, err := w.scrape(r, "nobody's")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(status).To(Equal(http.StatusUnauthorized))
	token := w.token(reader)
	if err := w.client.Create(w.t.Context(), binding); err == nil {
		w.Expect(w.client.Delete(w.t.Context(), binding)).To(Succeed())
	}
	w.Eventually(func() (int, error) { status, _, err := w.scrape(r, token); return status, err }, patience, glance).Should(Equal(http.StatusForbidden))
	binding.ResourceVersion = ""
	w.Expect(w.client.Create(w.t.Context(), binding)).To(Succeed())
	w.Eventually(func() (int, error) { status, _, err := w.scrape(r, token); return status, err }, patience, glance).Should(Equal(http.StatusOK))
	_, body, err := w.scrape(r, token)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(body).To(ContainSubstring("leader_election_master_status"))
	w.Expect(w.client.Delete(w.t.Context(), binding)).To(Succeed())
}

func (w *world) scrape(r *replica, token string) (int, string, error) {
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "https://"+r.metrics+"/metrics", nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // #nosec G402 -- as Prometheus reads it: the certificate signs itself
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return fmt.Sprint(listener.Addr())
}
