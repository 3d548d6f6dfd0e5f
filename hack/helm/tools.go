//go:build tools

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package helm pins Helm, which the chart's tests drive.
package helm

import _ "helm.sh/helm/v4/cmd/helm"
