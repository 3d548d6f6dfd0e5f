/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

const readDevices = "DeviceManagementManagedDevices.Read.All"

// Devices implements provision.DeviceTarget by Microsoft Intune.
func (t *Target) Devices(ctx context.Context, visit func(provision.Device) error) error {
	fields := strings.Join([]string{"id", "deviceName", "operatingSystem", "osVersion", "serialNumber", "complianceState", "userId", upnProperty}, ",")
	query := url.Values{"$select": {fields}}
	return t.pages(ctx, request{method: http.MethodGet, path: "/deviceManagement/managedDevices?" + encode(query), priority: low, permission: readDevices}, func(item user) error {
		device := provision.Device{
			ID: item.text("id"), Name: item.text("deviceName"), SerialNumber: item.text("serialNumber"),
			Platform:  strings.TrimSpace(item.text("operatingSystem") + " " + item.text("osVersion")),
			Compliant: compliant(item.text("complianceState")),
			Owner:     provision.Reference{ExternalID: item.text("userId"), UserName: item.text(upnProperty)},
		}
		if device.ID == "" {
			return nonsense("a device without an ID")
		}
		return visit(device)
	})
}

// compliant is whether a device meets the rules of Intune; nil where it does not
// know. A device in its grace period may be used.
func compliant(state string) *bool {
	yes, no := true, false
	switch strings.ToLower(state) {
	case "compliant", "ingraceperiod":
		return &yes
	case "noncompliant", "conflict", "error":
		return &no
	default:
		return nil
	}
}
