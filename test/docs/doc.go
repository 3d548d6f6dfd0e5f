/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package docs proves that what the documents say can be done: a real
// kube-apiserver takes every YAML example, every link leads somewhere, and each
// kind's page names each of its fields.
package docs
