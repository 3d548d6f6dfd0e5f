/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"text/template"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

//go:embed files
var files embed.FS

// render fills the addresses into one of files.
func render(name string) ([]byte, error) {
	parsed, err := template.ParseFS(files, "files/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]string{
		"Inside": inside, "Name": nodeName, "Host": hostAddress, "Node": nodeAddress,
		"Pods": podNetwork, "DNS": dnsAddress, "Provisioner": provisionerName,
	})
	return out.Bytes(), err
}

// prepare writes all that the components read into the cluster's directory. programs are directories of programs.
func prepare(directory string, programs []string) error {
	for _, name := range []string{"bin", "cni", "etcd", "log", "pids", "pki", "stopped", "volume-plugins", "volumes", "var/lib", "var/log"} {
		if err := os.MkdirAll(filepath.Join(directory, name), 0o700); err != nil {
			return err
		}
	}
	// Programs that do not run as root reach their volumes through here.
	if err := os.Chmod(filepath.Join(directory, "volumes"), 0o755); err != nil {
		return err
	}
	for _, from := range programs {
		if err := linkPrograms(from, filepath.Join(directory, "bin")); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{
		"containerd.toml": "containerd.toml", "pods.conflist": "cni/pods.conflist",
		"kubelet.yaml": "kubelet.yaml", "kube-proxy.yaml": "kube-proxy.yaml", "manifests.yaml": "manifests.yaml",
	} {
		content, err := render(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(directory, target), content, 0o600); err != nil {
			return err
		}
	}
	// For pods that ask not to use the cluster's DNS; there is no other.
	resolver := []byte("nameserver " + dnsAddress + "\n")
	return errors.Join(os.WriteFile(filepath.Join(directory, "resolv.conf"), resolver, 0o644), writeIdentities(directory))
}

// linkPrograms makes the programs reachable from where the cluster looks for them, without copying them when possible.
func linkPrograms(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		source, target := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		if !entry.Type().IsRegular() {
			continue
		}
		err := os.Link(source, target)
		if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) {
			err = copyFile(source, target)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(source, target string) (err error) {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// writeIdentities makes every key and certificate of the cluster, and a kubeconfig for each that needs one.
func writeIdentities(directory string) error {
	pki := filepath.Join(directory, "pki")
	a, err := newAuthority(pki, time.Now())
	if err != nil {
		return err
	}
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if err := errors.Join(
		a.server("kube-apiserver", []string{nodeAddress, apiService}, names),
		a.server("kubelet-server", []string{nodeAddress}, []string{nodeName}),
		writeServiceAccountKey(filepath.Join(pki, "service-accounts.key")),
	); err != nil {
		return err
	}
	for _, identity := range []struct{ name, user, group string }{
		{"admin", "administrator", "system:masters"},
		{"kubelet", "system:node:" + nodeName, "system:nodes"},
		{"kube-controller-manager", "system:kube-controller-manager", ""},
		{"kube-scheduler", "system:kube-scheduler", ""},
		{"kube-proxy", "system:kube-proxy", ""},
	} {
		certificate, key, err := a.client(identity.name, identity.user, identity.group)
		if err != nil {
			return err
		}
		config := kubeconfig(encode("CERTIFICATE", a.certificate.Raw), certificate, key)
		if err := clientcmd.WriteToFile(*config, filepath.Join(pki, identity.name+".kubeconfig")); err != nil {
			return fmt.Errorf("kubeconfig of %s: %w", identity.name, err)
		}
	}
	return os.Link(filepath.Join(pki, "admin.kubeconfig"), filepath.Join(directory, "kubeconfig"))
}

func writeServiceAccountKey(path string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

func kubeconfig(authority, certificate, key []byte) *clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	config.Clusters[nodeName] = &clientcmdapi.Cluster{Server: "https://" + apiAddress, CertificateAuthorityData: authority}
	config.AuthInfos[nodeName] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[nodeName] = &clientcmdapi.Context{Cluster: nodeName, AuthInfo: nodeName}
	config.CurrentContext = nodeName
	return config
}
