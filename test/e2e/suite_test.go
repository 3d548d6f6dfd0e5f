//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	operatorLease = "tegata-operator.identity.tegata.dev"

	// patience is how long anything may take on a machine that is busy otherwise.
	patience    = 4 * time.Minute
	glance      = 250 * time.Millisecond
	dialTimeout = 5 * time.Second
)

// cluster is the Kubernetes that the tests run on.
type cluster struct {
	*WithT
	t   *testing.T
	k8s client.WithWatch
}

// images is the directory of one version's images.
func images(version string) string {
	return filepath.Join(os.Getenv("TEGATA_E2E_WORK"), "images", version)
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	g := NewWithT(t)
	for _, name := range []string{"KUBECONFIG", "TEGATA_E2E_POSTGRES", "TEGATA_E2E_ROOT", "TEGATA_E2E_WORK", "TEGATA_E2E_HELM"} {
		g.Expect(os.Getenv(name)).NotTo(BeEmpty(), "%s is not set; run make e2e", name)
	}
	log.SetLogger(logr.Discard()) // the client library has nothing to say; without this it complains
	rest, err := config.GetConfig()
	g.Expect(err).NotTo(HaveOccurred())
	scheme := runtime.NewScheme()
	g.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	rest.QPS = -1
	k8s, err := client.NewWithWatch(rest, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	return &cluster{WithT: g, t: t, k8s: k8s}
}

// in is the same cluster, failing the subtest t.
func (c *cluster) in(t *testing.T) *cluster {
	return &cluster{WithT: NewWithT(t), t: t, k8s: c.k8s}
}

// run runs a program and returns what it printed.
func (c *cluster) run(program string, arguments ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience+time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput() // #nosec G204 -- the test's own arguments
	c.Expect(err).NotTo(HaveOccurred(), "%s %s: %s", program, strings.Join(arguments, " "), output)
	return string(output)
}

func (c *cluster) kubectl(arguments ...string) string {
	c.t.Helper()
	return c.run(repository(".cluster/bin/kubectl"), arguments...)
}

// repository is a file of the repository.
func repository(path string) string {
	return filepath.Join(os.Getenv("TEGATA_E2E_ROOT"), path)
}

// component stops or starts a component of the control plane.
func (c *cluster) component(action, name string) {
	c.t.Helper()
	c.run(repository("hack/cluster/cluster.sh"), action, name)
}

// database starts, stops or restarts PostgreSQL.
func (c *cluster) database(action string) {
	c.t.Helper()
	c.run(repository("hack/e2e/database.sh"), action, filepath.Join(os.Getenv("TEGATA_E2E_WORK"), "database"))
}

// conditioned is any kind of this API.
type conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
}

// isReady fails until the object is Ready in its newest generation.
func (c *cluster) isReady(g Gomega, object conditioned) {
	g.Expect(c.k8s.Get(c.t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
	ready := apimeta.FindStatusCondition(object.GetConditions(), "Ready")
	g.Expect(ready).NotTo(BeNil())
	g.Expect(ready.ObservedGeneration).To(Equal(object.GetGeneration()))
	g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), "%T %s: %s %s", object, object.GetName(), ready.Reason, ready.Message)
}

func (c *cluster) awaitReady(objects ...conditioned) {
	c.t.Helper()
	for _, object := range objects {
		c.Eventually(func(g Gomega) { c.isReady(g, object) }, patience, glance).Should(Succeed())
	}
}

func (c *cluster) pods(namespace string, labels client.MatchingLabels) []corev1.Pod {
	c.t.Helper()
	list := &corev1.PodList{}
	c.Expect(c.k8s.List(c.t.Context(), list, client.InNamespace(namespace), labels)).To(Succeed())
	return list.Items
}

var (
	idpPods      = client.MatchingLabels{"app.kubernetes.io/name": "tegata-idp"}
	operatorPods = client.MatchingLabels{"app.kubernetes.io/name": "tegata-operator"}
)

// processOf is the process of the pod's container: the node runs on this machine.
func (c *cluster) processOf(pod *corev1.Pod) int {
	c.t.Helper()
	found := 0
	c.Eventually(func(g Gomega) {
		g.Expect(c.k8s.Get(c.t.Context(), client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		g.Expect(pod.Status.ContainerStatuses).NotTo(BeEmpty())
		_, id, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
		g.Expect(id).NotTo(BeEmpty())
		found = processInCgroup(id)
		g.Expect(found).NotTo(BeZero(), "no process of container %s", id)
	}, patience, glance).Should(Succeed())
	return found
}

// processInCgroup is the first process of the cgroup that the container's ID names, or 0.
func processInCgroup(id string) (found int) {
	// Its error is nil always: cgroups come and go while we walk.
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || !strings.Contains(entry.Name(), id) {
			return nil
		}
		content, err := os.ReadFile(filepath.Join(path, "cgroup.procs")) // #nosec G304 -- a cgroup
		if err != nil {
			return nil
		}
		first, _, _ := strings.Cut(string(content), "\n")
		if found, err = strconv.Atoi(first); err != nil {
			return nil
		}
		return filepath.SkipAll
	})
	return found
}

// reportMemory notes what each pod's process has resident now.
func (c *cluster) reportMemory(when, namespace string, labels client.MatchingLabels) {
	c.t.Helper()
	for _, pod := range c.pods(namespace, labels) {
		if pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.processOf(&pod)))
		c.Expect(err).NotTo(HaveOccurred())
		for line := range strings.Lines(string(status)) {
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
				kilobytes, err := strconv.Atoi(fields[1])
				c.Expect(err).NotTo(HaveOccurred())
				summary.add(fmt.Sprintf("memory of %s, %s", pod.Name, when), "%d MB", kilobytes/1024)
			}
		}
	}
}
