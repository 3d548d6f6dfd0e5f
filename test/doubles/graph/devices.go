/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

var deviceProperties = map[string]property{
	"id": {kind: text, byDefault: true}, "userId": {kind: text, byDefault: true, filterable: true}, "deviceName": {kind: text, byDefault: true, filterable: true},
	"operatingSystem": {kind: text, byDefault: true, filterable: true}, "osVersion": {kind: text, byDefault: true}, "serialNumber": {kind: text, byDefault: true, filterable: true},
	"azureADDeviceId": {kind: text, byDefault: true, filterable: true}, "userPrincipalName": {kind: text, byDefault: true, filterable: true},
	"emailAddress": {kind: text, byDefault: true}, "lastSyncDateTime": {kind: when, byDefault: true}, "enrolledDateTime": {kind: when, byDefault: true},
	"managementCertificateExpirationDate": {kind: when, byDefault: true}, "model": {kind: text, byDefault: true}, "manufacturer": {kind: text, byDefault: true},
	"complianceState": {kind: text, byDefault: true, filterable: true, values: []string{"unknown", "compliant", "noncompliant", "conflict", "error", "inGracePeriod", "configManager"}},
	"managementAgent": {kind: text, byDefault: true, filterable: true, values: []string{"eas", "mdm", "easMdm", "intuneClient", "easIntuneClient", "configurationManagerClient", "unknown", "jamf", "googleCloudDevicePolicyController"}},
}

func (s *Server) devicesList(c *call, _ params) answer {
	return s.listAll(c, deviceProperties, "deviceManagement/managedDevices", s.devices)
}

func (s *Server) deviceRead(c *call, p params) answer {
	for _, device := range s.devices {
		if device["id"] == p["id"] {
			return s.single(c, deviceProperties, "deviceManagement/managedDevices", device)
		}
	}
	return notFound(p["id"])
}
