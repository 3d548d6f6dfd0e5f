/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package cel proves against a real kube-apiserver what it accepts and refuses
// of each kind: every validation rule, enum and bound of config/crd/bases has
// rows here, and a test fails when one has not. No controller runs.
package cel

import (
	"fmt"
	"os"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const crdDirectory = "../../config/crd/bases"

var (
	environment   *envtest.Environment
	administrator = envtest.User{Name: "administrator", Groups: []string{"system:masters"}}
	server        client.Client
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{crdDirectory},
		ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: starting kube-apiserver failed; KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh) names its binaries:", err)
		return 1
	}
	defer func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "error: stopping kube-apiserver failed:", err)
			code = 1
		}
	}()
	// The suite sends hundreds of small requests one after another.
	config.QPS, config.Burst = -1, -1
	server, err = client.New(config, client.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: making a client failed:", err)
		return 1
	}
	return m.Run()
}
