/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// up brings the cluster up and returns when pods can use it.
func up(ctx context.Context, directory string, programs, images []string) error {
	if pid := runningNode(directory); pid != 0 {
		fmt.Println("The cluster is up already.")
		return explain(directory)
	}
	// What a killed or rebooted machine left.
	if err := down(directory); err != nil {
		return err
	}
	if err := errors.Join(freeNetwork(), freeCgroup()); err != nil {
		return err
	}
	if err := prepare(directory, programs); err != nil {
		return err
	}
	if err := launchNode(directory); err != nil {
		return err
	}
	if err := settle(ctx, directory, images); err != nil {
		return fmt.Errorf("%w\nlogs are in %s; 'make cluster-down' removes everything", err, filepath.Join(directory, "log"))
	}
	return explain(directory)
}

// freeNetwork refuses to hide a network that the machine uses.
func freeNetwork() error {
	out, err := exec.Command("ip", "-4", "route", "show", "root", network).Output()
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	if route := strings.TrimSpace(string(out)); route != "" {
		return fmt.Errorf("this machine has a route into %s already, which the cluster uses: %s", network, route)
	}
	return nil
}

// freeCgroup refuses to share the cgroup with another cluster, because down removes it.
func freeCgroup() error {
	tops, err := cgroups()
	if err != nil || len(tops) == 0 {
		return err
	}
	return fmt.Errorf("another containerd runs Kubernetes on this machine: %s exists", tops[0])
}

// launchNode starts the node's first process and gives it one end of a cable whose other end stays here.
func launchNode(directory string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(directory, "log", "node.log"))
	if err != nil {
		return err
	}
	defer out.Close()
	node := exec.Command(self, "node", directory)
	node.Stdout, node.Stderr, node.Dir = out, out, "/"
	node.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // it outlives this terminal
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	ready, err := node.StdinPipe()
	if err != nil {
		return err
	}
	if err := node.Start(); err != nil {
		return fmt.Errorf("start the node in namespaces of its own: %w", err)
	}
	if err := writePID(directory, node.Process.Pid); err != nil {
		return errors.Join(err, node.Process.Kill())
	}
	for _, arguments := range [][]string{
		{"ip", "link", "add", hostInterface, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(node.Process.Pid)},
		{"ip", "address", "add", hostAddress + linkLength, "dev", hostInterface},
		{"ip", "link", "set", hostInterface, "up"},
		{"ip", "route", "add", network, "via", nodeAddress},
	} {
		if err := execute(arguments...); err != nil {
			return errors.Join(err, down(directory))
		}
	}
	return ready.Close()
}

// settle loads the images, applies the manifests and waits until pods and their names work.
func settle(ctx context.Context, directory string, images []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	socket := filepath.Join(directory, "containerd.sock")
	if err := await(ctx, "containerd does not answer", func() bool { _, err := os.Stat(socket); return err == nil }); err != nil {
		return err
	}
	for _, image := range images {
		if err := load(ctx, directory, image); err != nil {
			return err
		}
	}
	if err := await(ctx, "kube-apiserver is not ready", func() bool {
		return kubectl(ctx, directory, io.Discard, "get", "--raw", "/readyz") == nil
	}); err != nil {
		return err
	}
	// The first of these wait for others to be made (default service accounts, priority classes), so apply may need another go.
	var problem bytes.Buffer
	if err := await(ctx, "applying the manifests failed", func() bool {
		problem.Reset()
		return kubectl(ctx, directory, &problem, "apply", "-f", filepath.Join(directory, "manifests.yaml")) == nil
	}); err != nil {
		return fmt.Errorf("%w: %s", err, problem.String())
	}
	for _, arguments := range [][]string{
		{"wait", "--for=create", "--timeout=2m", "node/" + nodeName},
		{"wait", "--for=condition=Ready", "--timeout=2m", "node/" + nodeName},
		{"-n", "kube-system", "rollout", "status", "--timeout=2m", "deployment/coredns"},
	} {
		problem.Reset()
		if err := kubectl(ctx, directory, &problem, arguments...); err != nil {
			return fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, problem.String())
		}
	}
	return await(ctx, "the cluster's DNS does not answer at "+dnsAddress, func() bool { return resolves(ctx) })
}

// resolves asks the cluster's DNS from here, which needs CoreDNS, its Service and kube-proxy.
func resolves(ctx context.Context) bool {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(dnsAddress, "53"))
	}}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	addresses, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	return err == nil && len(addresses) == 1 && addresses[0] == apiService
}

// load imports the image archive at path into the node's containerd.
func load(ctx context.Context, directory, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	pid := runningNode(directory)
	if pid == 0 {
		return errors.New("the cluster is not up; run 'make cluster'")
	}
	command := exec.CommandContext(ctx, "nsenter", "--target", fmt.Sprint(pid), "--mount", "--",
		"ctr", "--address", inside+"/containerd.sock", "--namespace", "k8s.io", "images", "import", "-")
	command.Stdin = in
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("load %s: %w: %s", path, err, out)
	}
	return nil
}

func kubectl(ctx context.Context, directory string, problem io.Writer, arguments ...string) error {
	arguments = append([]string{"--kubeconfig", filepath.Join(directory, "kubeconfig")}, arguments...)
	command := exec.CommandContext(ctx, filepath.Join(directory, "bin", "kubectl"), arguments...)
	command.Stderr = problem
	return command.Run()
}

// await asks four times a second until the answer is yes.
func await(ctx context.Context, problem string, answer func() bool) error {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for !answer() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", problem, ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}

func execute(arguments ...string) error {
	if out, err := exec.Command(arguments[0], arguments[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(arguments, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func explain(directory string) error {
	fmt.Printf(`
  export KUBECONFIG=%s
  %s get pods -A

Pods reach this machine at %s (host.internal); what listens on that address or on all is reachable.
This machine reaches Services at their cluster addresses and node ports at %s. Nothing else reaches the cluster,
and the cluster reaches nothing else. Images come from 'make image' and 'hack/cluster/cluster.sh load FILE...'.
A claim of the StorageClass local gets a directory. NetworkPolicies are accepted and not enforced.
'make cluster-down' removes everything.
`, filepath.Join(directory, "kubeconfig"), filepath.Join(directory, "bin", "kubectl"), hostAddress, nodeAddress)
	return nil
}
