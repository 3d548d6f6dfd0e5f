/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package provisiontest proves that an implementation of provision.Target keeps
// the interface's promises, against a service or a double of it. Each driver's
// tests call Run.
package provisiontest
