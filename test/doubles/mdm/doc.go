/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package mdm is a mobile device management service in memory that speaks
// Tegata's MDM contract (docs/mdm-openapi.yaml). It is for tests: of units, of
// the operator, and of speed.
//
// It is as strict as the contract allows: it has so many licences, refuses
// characters, unknown properties and calls that are none of the contract's, and
// does not delete users for whom an Android device is enrolled. Everything that
// goes wrong in reality can be switched on by Inject, and done behind the
// client's back by the methods of hand.go.
package mdm
