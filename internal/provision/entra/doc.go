/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package entra keeps accounts in Microsoft Entra ID by Microsoft Graph v1.0
// (O7.1, O7.2), reads the devices of Intune (O14), and has the calls that
// federate a domain. docs/entra-id.md tells administrators about it.
//
// The service's peculiarities, and what is done about each:
//
//   - What was written cannot be read at once. Nothing is read after a write; the
//     answer to a creation gives its ID. A 404 is told as NotFound, which passes.
//   - An account is ours by onPremisesImmutableId, which stays with it through
//     renames, deletion and restoration.
//   - Deletion is soft for 30 days, so Find looks among the deleted, too.
//   - Uniqueness conflicts come as 400 with details, not as 409.
//   - A refusal of an account with an administrator's role looks like a missing
//     permission. The token's roles and the account's assignments tell them apart.
//   - Many calls go as one $batch: the look-ups of one Find, and writes that wait
//     for one another anyway.
//
// The hourly sync lists all users instead of following a delta query: 10,000
// users are eleven calls of one resource unit each, against a limit of 3,500 in
// ten seconds; nothing has to be kept between syncs, no token ends after seven
// days, and no change that is replayed or lost on the way is believed.
package entra
