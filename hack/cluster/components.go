/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"fmt"
	"strings"
)

// component is a program of the node, which is started again whenever it ends.
type component struct {
	name      string
	arguments []string // the first is a program in the directory of programs, or one on PATH when it has no file there
	after     string   // address that must accept connections before the first start; empty: none
}

const (
	etcdAddress = "127.0.0.1:2379"
	apiAddress  = nodeAddress + ":6443"
)

// components are in the order of their first start.
func components() []component {
	pki := func(name string) string { return inside + "/pki/" + name }
	kubeconfig := func(name string) string { return pki(name + ".kubeconfig") }
	return []component{
		{name: "etcd", arguments: []string{"etcd",
			"--data-dir", inside + "/etcd", "--name", nodeName, "--log-level", "warn",
			"--listen-client-urls", "http://" + etcdAddress, "--advertise-client-urls", "http://" + etcdAddress,
			"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
			"--initial-cluster", nodeName + "=http://127.0.0.1:2380",
			"--unsafe-no-fsync", // the data goes with the cluster
		}},
		{name: "containerd", arguments: []string{"containerd", "--config", inside + "/containerd.toml"}},
		{name: "kube-apiserver", after: etcdAddress, arguments: []string{"kube-apiserver",
			"--etcd-servers", "http://" + etcdAddress,
			"--bind-address", nodeAddress, "--advertise-address", nodeAddress, "--secure-port", "6443",
			"--tls-cert-file", pki("kube-apiserver.crt"), "--tls-private-key-file", pki("kube-apiserver.key"),
			"--cert-dir", inside + "/etcd", "--client-ca-file", pki("ca.crt"),
			"--kubelet-client-certificate", pki("admin.crt"), "--kubelet-client-key", pki("admin.key"),
			"--kubelet-certificate-authority", pki("ca.crt"), "--kubelet-preferred-address-types", "InternalIP",
			"--service-cluster-ip-range", serviceNetwork, "--allow-privileged=true",
			"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file", pki("service-accounts.key"), "--service-account-signing-key-file", pki("service-accounts.key"),
			"--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
		}},
		{name: "kube-controller-manager", after: apiAddress, arguments: []string{"kube-controller-manager",
			"--kubeconfig", kubeconfig("kube-controller-manager"), "--bind-address", "127.0.0.1",
			// As in any cluster, it ends when it loses its lease. One that outlives a long outage of kube-apiserver would
			// take the node for dead that could not report meanwhile, and all pods out of their Services.
			"--leader-elect",
			"--authentication-skip-lookup", "--use-service-account-credentials",
			"--service-account-private-key-file", pki("service-accounts.key"), "--root-ca-file", pki("ca.crt"),
			"--flex-volume-plugin-dir", inside + "/volume-plugins", // the default would be made on this machine
		}},
		{name: "kube-scheduler", after: apiAddress, arguments: []string{"kube-scheduler",
			"--kubeconfig", kubeconfig("kube-scheduler"), "--bind-address", "127.0.0.1", "--leader-elect=false", "--authentication-skip-lookup",
		}},
		{name: "kubelet", after: apiAddress, arguments: []string{"kubelet",
			"--config", inside + "/kubelet.yaml", "--kubeconfig", kubeconfig("kubelet"), "--root-dir", inside + "/kubelet",
			"--cert-dir", inside + "/pki", "--hostname-override", nodeName, "--node-ip", nodeAddress,
		}},
		{name: "kube-proxy", after: apiAddress, arguments: []string{"kube-proxy", "--config", inside + "/kube-proxy.yaml"}},
		{name: "provisioner", after: apiAddress, arguments: []string{"cluster", "provision", kubeconfig("admin"), inside + "/volumes"}},
	}
}

// findComponent tells whether there is a component of that name.
func findComponent(name string) error {
	var names []string
	for _, c := range components() {
		if c.name == name {
			return nil
		}
		names = append(names, c.name)
	}
	return fmt.Errorf("no component %q; there are %s", name, strings.Join(names, ", "))
}
