/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

// newPassword is 80 bits of randomness in four groups.
func newPassword() string {
	text := rand.Text()
	return strings.Join([]string{text[0:4], text[4:8], text[8:12], text[12:16]}, "-")
}

// mailedLink is the link of the newest mail to an address, once there is one.
func (d *demo) mailedLink(ctx context.Context, mail string) (string, error) {
	link := ""
	err := d.await(ctx, "no mail with a link came for "+mail, func() bool {
		for _, message := range d.inbox.MessagesTo(mail) {
			for _, address := range message.Links {
				if strings.HasPrefix(address, portalURL+"/password/") {
					link = address
				}
			}
		}
		return link != ""
	})
	return link, err
}

// followLink sets a new password through the mailed link and returns it.
func (d *demo) followLink(ctx context.Context, mail string) (string, error) {
	link, err := d.mailedLink(ctx, mail)
	if err != nil {
		return "", err
	}
	browser, password := formclient.New(), newPassword()
	page, err := browser.Get(ctx, link)
	if err != nil {
		return "", err
	}
	if page, err = browser.SetPassword(ctx, page, password); err != nil {
		return "", err
	}
	if page.Status != http.StatusOK {
		return "", fmt.Errorf("%s answered with status %d: %s", page.URL, page.Status, page.Text())
	}
	if _, err := page.FormWith("confirmation"); err == nil {
		return "", errors.New("the password was not taken: " + page.Text())
	}
	return password, nil
}

func (d *demo) member(ctx context.Context, name string) (*v1alpha1.Member, error) {
	member := &v1alpha1.Member{}
	return member, d.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, member)
}

// temporaryPassword reads the Secret that a member's status names.
func (d *demo) temporaryPassword(ctx context.Context, name string) (password, secretName string, err error) {
	member, err := d.member(ctx, name)
	if err != nil {
		return "", "", err
	}
	if member.Status.Password == nil || member.Status.Password.SecretRef == nil {
		return "", "", fmt.Errorf("status.password.secretRef of member %s is not set", name)
	}
	secret := &corev1.Secret{}
	secretName = member.Status.Password.SecretRef.Name
	if err := d.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: secretName}, secret); err != nil {
		return "", "", err
	}
	if len(secret.Data["password"]) == 0 {
		return "", "", fmt.Errorf("secret %s has no password", secretName)
	}
	return string(secret.Data["password"]), secretName, nil
}
