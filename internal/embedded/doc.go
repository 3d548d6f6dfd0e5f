/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package embedded runs identity servers in the operator's own process, for
// the demo, for tests and for small installations. It is the only code that
// knows both the controllers and the IdP; other ways of running a server come
// behind the same controllers.Launcher.
package embedded
