/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package samlmetadata reads the SAML metadata of service providers.
//
// Metadata says where assertions go and which keys sign and encrypt, and much
// of it is written by hand. What is ambiguous or cannot be used is refused with
// advice, never guessed: what is taken has one meaning.
package samlmetadata
