/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package graph is a Microsoft Entra ID tenant in memory: the token endpoint of
// its log-in service, and the parts of Microsoft Graph v1.0 that provisioning
// and domain federation call. It is for tests: of units, of the operator, and of
// speed.
//
// It refuses whatever the real service refuses, as far as that is known, and
// where that is not known it takes the stricter reading: a client that satisfies
// it has not been lucky. What was written is seen by reads only after
// Options.ReplicationDelay. Everything that goes wrong in reality can be switched
// on by Inject, and done behind the client's back by the methods of hand.go.
//
// Property names and enumerations are checked against Microsoft's own
// @microsoft/microsoft-graph-types.
package graph
