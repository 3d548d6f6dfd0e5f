/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package restore proves what docs/backup.md promises, by the commands of that
// page: the built programs against one real kube-apiserver, and then against
// another that knows nothing of the first.
package restore

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
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
	"tegata.dev/tegata/internal/idp/store/storetest"
)

const (
	root = "../.."
	// patience bounds every wait; a healthy run needs a fraction of it.
	patience = 60 * time.Second
	// glance is between two looks.
	glance = 100 * time.Millisecond
)

var (
	scheme = runtime.NewScheme()
	// programs is the folder with tegata-operator and tegata-idp.
	programs string
	assets   = os.Getenv("KUBEBUILDER_ASSETS")
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	if assets == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set; run make test, or export KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh)")
		return 1
	}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	var err error
	if programs, err = os.MkdirTemp("", "tegata-restore-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(programs) }()
	build := exec.Command("go", "build", "-o", programs, root+"/cmd/tegata-operator", root+"/cmd/tegata-idp") // #nosec G204 -- our own programs
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, output)
		return 1
	}
	return storetest.Main(m)
}

// cluster is an API server that knows Tegata's kinds and holds nothing else.
type cluster struct {
	*WithT
	t           *testing.T
	environment *envtest.Environment
	k8s         client.Client
	// kubeconfig is that of somebody who may do everything, operator that of config/rbac's role.
	kubeconfig, operator string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{WithT: NewWithT(t), t: t, environment: &envtest.Environment{
		CRDDirectoryPaths: []string{root + "/config/crd/bases"}, ErrorIfCRDPathMissing: true,
	}}
	config, err := c.environment.Start()
	c.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { c.Expect(c.environment.Stop()).To(Succeed()) })
	c.k8s, err = client.New(config, client.Options{Scheme: scheme})
	c.Expect(err).NotTo(HaveOccurred())

	content, err := os.ReadFile(root + "/config/rbac/role.yaml")
	c.Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	c.Expect(yaml.UnmarshalStrict(content, role)).To(Succeed())
	c.Expect(c.k8s.Create(t.Context(), role)).To(Succeed())
	c.Expect(c.k8s.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "tegata-operator"}},
	})).To(Succeed())
	c.kubeconfig = c.user(envtest.User{Name: "admin", Groups: []string{"system:masters"}})
	c.operator = c.user(envtest.User{Name: "tegata-operator"})
	return c
}

// user returns the path of a new user's kubeconfig.
func (c *cluster) user(user envtest.User) string {
	c.t.Helper()
	added, err := c.environment.AddUser(user, nil)
	c.Expect(err).NotTo(HaveOccurred())
	content, err := added.KubeConfig()
	c.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(c.t.TempDir(), "kubeconfig")
	c.Expect(os.WriteFile(path, content, 0o600)).To(Succeed())
	return path
}

// wrong are lines of the operator's log that a run must not have.
var wrong = regexp.MustCompile(`(?m)^.*(is forbidden|anic).*$`)

// startOperator runs the program until the test ends.
func (c *cluster) startOperator(dataDirectory string) {
	c.t.Helper()
	var log bytes.Buffer
	operator := exec.Command(filepath.Join(programs, "tegata-operator"), "--kubeconfig", c.operator, // #nosec G204 -- our own program
		"--data-dir", dataDirectory, "--health-probe-bind-address", "0", "--log-level", "warn")
	operator.Stderr = &log
	c.Expect(operator.Start()).To(Succeed())
	c.t.Cleanup(func() {
		c.Expect(operator.Process.Signal(syscall.SIGTERM)).To(Succeed())
		err := operator.Wait()
		if c.t.Failed() {
			c.t.Log(log.String())
			return
		}
		c.Expect(err).NotTo(HaveOccurred(), log.String())
		c.Expect(wrong.FindString(log.String())).To(BeEmpty())
	})
}
