/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package keypair makes, checks and describes the key pairs that tenants sign
// with. The operator and the IdP share it, so that both refuse the same pairs
// in the same words.
package keypair
