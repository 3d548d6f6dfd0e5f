/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package provision keeps members' accounts in other services (O7, X9): what a
// service is to the operator, the rules that decide what happens to an account,
// and what everything that speaks to services shares. The services themselves
// are in packages below it.
//
// What acts also explains: the operator and a plan both let Decide choose, from
// what Target.Desire and Target.Find say.
package provision
