/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// startControlPlane runs etcd and kube-apiserver with empty data and writes a
// kubeconfig for an administrator.
func (d *demo) startControlPlane(ctx context.Context) (*rest.Config, error) {
	data := filepath.Join(d.directory, "controlplane")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	etcd := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	if err := d.launch("etcd", filepath.Join(d.assets, "etcd"),
		"--data-dir", filepath.Join(data, "etcd"), "--name", "demo", "--log-level", "warn",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "demo="+peer,
		// The data goes with the demo; waiting for the disk would only slow it down.
		"--unsafe-no-fsync"); err != nil {
		return nil, err
	}
	token := rand.Text()
	if err := writeSecrets(data, token); err != nil {
		return nil, err
	}
	keys := filepath.Join(data, "service-accounts.key")
	if err := d.launch("kube-apiserver", filepath.Join(d.assets, "kube-apiserver"),
		"--etcd-servers", etcd, "--cert-dir", data, "--secure-port", fmt.Sprint(ports[2]),
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none",
		"--service-cluster-ip-range", "10.96.0.0/16", "--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", keys, "--service-account-signing-key-file", keys,
		"--token-auth-file", filepath.Join(data, "tokens.csv"), "--authorization-mode", "Node,RBAC",
		"--disable-admission-plugins", "ServiceAccount"); err != nil {
		return nil, err
	}
	// kube-apiserver makes its certificate first of all; the file ends in the authority that signed it.
	authority := filepath.Join(data, "apiserver.crt")
	if err := d.await(ctx, "kube-apiserver made no certificate", func() bool { return exists(authority) }); err != nil {
		return nil, err
	}
	kubeconfig, err := writeKubeconfig(d.kubeconfig, fmt.Sprintf("https://127.0.0.1:%d", ports[2]), authority, token)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.NewDefaultClientConfig(*kubeconfig, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return config, d.await(ctx, "kube-apiserver does not answer", func() bool { return answers(ctx, config) })
}

// answers tells whether the API server is ready.
func answers(ctx context.Context, config *rest.Config) bool {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return false
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// writeSecrets makes the key of service account tokens and the administrator's token.
func writeSecrets(directory, token string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(filepath.Join(directory, "service-accounts.key"), pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "tokens.csv"), []byte(token+",administrator,administrator,system:masters\n"), 0o600)
}

func writeKubeconfig(path, server, authority, token string) (*clientcmdapi.Config, error) {
	certificates, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["demo"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: certificates}
	config.AuthInfos["administrator"] = &clientcmdapi.AuthInfo{Token: token}
	// Members are what one wants to look at first.
	config.Contexts["demo"] = &clientcmdapi.Context{Cluster: "demo", AuthInfo: "administrator", Namespace: namespace}
	config.CurrentContext = "demo"
	return config, clientcmd.WriteToFile(*config, path)
}

// freePorts are ports on the loopback address that nobody listens on now.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // after all are chosen, so that no port is chosen twice
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("unexpected address %s", listener.Addr())
		}
		ports[i] = address.Port
	}
	return ports, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
