/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package interop logs members in to service providers that others wrote, over
// real HTTP: the IdP as a whole on SQLite, without Kubernetes. It also keeps
// accounts in a SCIM service that others wrote.
package interop
