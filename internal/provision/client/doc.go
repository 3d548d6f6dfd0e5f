/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package client is how the operator speaks HTTP to services in which it keeps
// accounts.
//
// What it returns is a service's answer: JSON, or nothing. Everything else, such
// as a proxy's web page, half an answer or none, is an error of cause
// Unavailable, so that nobody takes it for a statement about an account.
package client
