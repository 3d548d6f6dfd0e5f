/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// maxDevices is how many devices of one person are shown.
const maxDevices = 100

// syncDevices reads the devices of an MDM and shows them at their owners'
// Accounts: those of this target, or for Intune of the Entra ID target. The
// counts are nil for a target that knows no devices.
func (k *provisioningTargets) syncDevices(ctx context.Context, w work) (*v1alpha1.DeviceCounts, error) {
	service, ok := w.live.service.(provision.DeviceTarget)
	if !ok || w.target.Spec.MDM == nil {
		return nil, nil
	}
	var devices []provision.Device
	if err := service.Devices(ctx, func(device provision.Device) error {
		devices = append(devices, device)
		return nil
	}); err != nil {
		return nil, err
	}
	owners := types.NamespacedName{Namespace: w.live.name.Namespace, Name: cmp.Or(intuneTarget(w.target.Spec), w.live.name.Name)}
	accounts, err := k.accountsOf(ctx, owners)
	if err != nil {
		return nil, err
	}
	owned := devicesByAccount(accounts, devices)
	for i := range accounts {
		if account := &accounts[i]; account.Spec.MemberRef != nil {
			if err := k.showDevices(ctx, account, owned[account.Name]); err != nil {
				return nil, err
			}
		}
	}
	return countDevices(devices), nil
}

func countDevices(devices []provision.Device) *v1alpha1.DeviceCounts {
	compliant, known := 0, false
	for _, device := range devices {
		if device.Compliant != nil {
			known = true
			if *device.Compliant {
				compliant++
			}
		}
	}
	counts := &v1alpha1.DeviceCounts{Managed: count(len(devices))}
	if known {
		counts.Compliant = count(compliant)
	}
	return counts
}

// devicesByAccount finds each device's owner, and returns devices by the name of
// the Account. One whose owner nobody knows counts, but is shown nowhere.
func devicesByAccount(accounts []v1alpha1.Account, devices []provision.Device) map[string][]v1alpha1.Device {
	byID, byCorrelation, byUserName := map[string]string{}, map[string]string{}, map[string]string{}
	for i := range accounts {
		account := &accounts[i]
		if account.Spec.MemberRef == nil {
			continue
		}
		byID[account.Status.ExternalID] = account.Name
		byCorrelation[account.Status.CorrelationID] = account.Name
		byUserName[strings.ToLower(account.Status.UserName)] = account.Name
	}
	owned := map[string][]v1alpha1.Device{}
	for _, device := range devices {
		for _, way := range []struct {
			names map[string]string
			value string
		}{{byID, device.Owner.ExternalID}, {byCorrelation, device.Owner.CorrelationID}, {byUserName, strings.ToLower(device.Owner.UserName)}} {
			if name := way.names[way.value]; way.value != "" && name != "" {
				owned[name] = append(owned[name], shownDevice(device))
				break
			}
		}
	}
	for name, list := range owned {
		slices.SortFunc(list, func(a, b v1alpha1.Device) int { return cmp.Compare(a.ID, b.ID) })
		list = slices.CompactFunc(list, func(a, b v1alpha1.Device) bool { return a.ID == b.ID })
		owned[name] = list[:min(len(list), maxDevices)]
	}
	return owned
}

// shownDevice is a device as far as the API takes it.
func shownDevice(device provision.Device) v1alpha1.Device {
	cut := func(text string, longest int) string {
		runes := []rune(text)
		return string(runes[:min(len(runes), longest)])
	}
	return v1alpha1.Device{
		ID: cut(device.ID, 255), Name: cut(device.Name, 255), Platform: cut(device.Platform, 63), SerialNumber: cut(device.SerialNumber, 255),
		Compliant: device.Compliant,
	}
}

// showDevices writes an Account's devices where they changed; the rest of its
// status is its own controller's.
func (k *provisioningTargets) showDevices(ctx context.Context, account *v1alpha1.Account, devices []v1alpha1.Device) error {
	if equality.Semantic.DeepEqual(account.Status.Devices, devices) {
		return nil
	}
	shown := account.DeepCopy()
	before, err := status.SnapshotOf(shown)
	if err != nil {
		return err
	}
	shown.Status.Devices = devices
	_, err = before.Patch(ctx, k.Client, shown)
	return client.IgnoreNotFound(err)
}
