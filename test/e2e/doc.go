/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package e2e runs Tegata on a real Kubernetes: identity servers in pods, on
// PostgreSQL and on a volume, logged in to through their Services while things
// fail. hack/e2e.sh prepares what it needs; its tests have the build tag e2e.
package e2e
