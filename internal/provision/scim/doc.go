/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package scim keeps accounts and groups in services that speak SCIM 2.0
// (RFC 7643, RFC 7644; X9).
//
// Services differ in what they keep of the standard. What one can do is read
// from its ServiceProviderConfig, Schemas and ResourceTypes where it has them;
// answers are taken tolerantly, and requests are strict: lower-case operations,
// real booleans, one operation a path.
package scim
