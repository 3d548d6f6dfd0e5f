/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package mdm keeps users in mobile device management services and reads their
// devices (O7.3, O7.4, O14): Target speaks Tegata's own contract, which
// docs/mdm-openapi.yaml has; SCIM is for services that take users by SCIM 2.0.
//
// The contract is strict so that nothing has to be guessed: a service that does
// not keep it is told apart from one that refuses.
package mdm
