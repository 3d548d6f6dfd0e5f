/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package chaos kills the built operator again and again while it keeps accounts
// in services, against a real kube-apiserver: nothing may be made twice or lost.
package chaos

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	root = "../.."
	// patience bounds every wait; a healthy run needs a fraction of it.
	patience = 5 * time.Minute
	// glance is between two looks.
	glance = 200 * time.Millisecond
)

var (
	scheme = runtime.NewScheme()
	// program is tegata-operator.
	program string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set; run make test, or export KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh)")
		return 1
	}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	programs, err := os.MkdirTemp("", "tegata-chaos-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(programs) }()
	program = filepath.Join(programs, "tegata-operator")
	build := exec.Command("go", "build", "-o", program, root+"/cmd/tegata-operator") // #nosec G204 -- our own program
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// cluster is an API server, and an operator that can be killed.
type cluster struct {
	*WithT
	t   *testing.T
	k8s client.Client
	// kubeconfig is that of the operator, with config/rbac's role.
	kubeconfig string
	// data is the operator's --data-dir; it outlives each kill.
	data     string
	operator *exec.Cmd
	log      bytes.Buffer
	kills    int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{WithT: NewWithT(t), t: t, data: t.TempDir()}
	environment := &envtest.Environment{CRDDirectoryPaths: []string{root + "/config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	c.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { c.Expect(environment.Stop()).To(Succeed()) })
	config.QPS = -1
	c.k8s, err = client.New(config, client.Options{Scheme: scheme})
	c.Expect(err).NotTo(HaveOccurred())
	content, err := os.ReadFile(root + "/config/rbac/role.yaml")
	c.Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	c.Expect(yaml.UnmarshalStrict(content, role)).To(Succeed())
	c.create(role, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "tegata-operator"}},
	})
	user, err := environment.AddUser(envtest.User{Name: "tegata-operator"}, nil)
	c.Expect(err).NotTo(HaveOccurred())
	content, err = user.KubeConfig()
	c.Expect(err).NotTo(HaveOccurred())
	c.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	c.Expect(os.WriteFile(c.kubeconfig, content, 0o600)).To(Succeed())
	return c
}

func (c *cluster) create(objects ...client.Object) {
	c.t.Helper()
	for _, object := range objects {
		c.Expect(c.k8s.Create(c.t.Context(), object)).To(Succeed())
	}
}

// wrong are lines of the operator's log that a run must not have.
var wrong = regexp.MustCompile(`(?m)^.*(is forbidden|anic).*$`)

// startOperator runs the program until it is killed, or the test ends.
func (c *cluster) startOperator() {
	c.t.Helper()
	c.operator = exec.Command(program, "--kubeconfig", c.kubeconfig, // #nosec G204 -- our own program
		"--data-dir", c.data, "--health-probe-bind-address", "0", "--log-level", "warn")
	c.operator.Stderr = &c.log
	c.Expect(c.operator.Start()).To(Succeed())
}

// stopOperator ends the operator for good, and looks at what it wrote.
func (c *cluster) stopOperator() {
	c.killOperator()
	if c.t.Failed() {
		c.t.Log(c.log.String())
		return
	}
	c.Expect(wrong.FindString(c.log.String())).To(BeEmpty())
}

func (c *cluster) killOperator() {
	c.t.Helper()
	c.Expect(c.operator.Process.Kill()).To(Succeed(), "it is still there until it is killed")
	c.Expect(c.operator.Wait()).To(MatchError("signal: killed"))
}

// kill ends the operator without any warning, and starts it anew.
func (c *cluster) kill() {
	c.t.Helper()
	c.killOperator()
	c.kills++
	c.startOperator()
}

// freeAddress is one of this machine that nobody listens on now.
func (c *cluster) freeAddress() string {
	c.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(listener.Close()).To(Succeed())
	return listener.Addr().String()
}
