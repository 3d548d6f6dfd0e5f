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
	"io"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/check"
	"tegata.dev/tegata/internal/directory"
)

const (
	// checkPatience is less than Helm's own, so that it is we who say what is wrong.
	checkPatience = 4 * time.Minute
	// checkInterval is between two looks at the member.
	checkInterval = time.Second
)

// memberCheck proves that a member can log in, as "helm test" does: it resets
// the member's password and uses the temporary one.
type memberCheck struct {
	client client.Client
	// address is the host:port of a server's site.
	address func(*v1alpha1.IdentityServer) (string, error)
	out     io.Writer
}

// checkMember makes the check in the cluster that this process finds.
func checkMember(ctx context.Context, name string, out io.Writer) error {
	key, err := parseName(name)
	if err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	k8s, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	return (&memberCheck{client: k8s, address: serviceAddress, out: out}).run(ctx, key)
}

func parseName(name string) (types.NamespacedName, error) {
	namespace, member, ok := strings.Cut(name, "/")
	if !ok || namespace == "" || member == "" || strings.Contains(member, "/") {
		return types.NamespacedName{}, fmt.Errorf("--check-member is %q, not namespace/name", name)
	}
	return types.NamespacedName{Namespace: namespace, Name: member}, nil
}

// serviceAddress is where pods find the site.
func serviceAddress(server *v1alpha1.IdentityServer) (string, error) {
	if server.Status.Service == "" {
		return "", fmt.Errorf("IdentityServer %s/%s has no Service: only a server with spec.deployment can be checked", server.Namespace, server.Name)
	}
	return fmt.Sprintf("%s.%s.svc:80", server.Status.Service, server.Namespace), nil
}

func (c *memberCheck) run(ctx context.Context, name types.NamespacedName) error {
	s, err := c.reset(ctx, name)
	if err != nil {
		return err
	}
	external, err := url.Parse(s.server.Spec.ExternalURL)
	if err != nil {
		return fmt.Errorf("externalURL: %w", err)
	}
	address, err := c.address(s.server)
	if err != nil {
		return err
	}
	c.say(fmt.Sprintf("Logging in at %s through %s", external, address))
	site := check.Site{ExternalURL: external, Address: address}
	return site.LogIn(ctx, s.member.Spec.Mail, s.temporary, c.say)
}

// say tells whoever watches; what cannot be told stops nothing.
func (c *memberCheck) say(line string) { _, _ = fmt.Fprintln(c.out, line) }

// subject is the member with what it depends on, and its temporary password.
type subject struct {
	member    *v1alpha1.Member
	tenant    *v1alpha1.Tenant
	server    *v1alpha1.IdentityServer
	temporary string
}

// reset asks for a temporary password and waits until it can be used. A member
// made again has the password of its former life, so the first one will not do.
func (c *memberCheck) reset(ctx context.Context, name types.NamespacedName) (*subject, error) {
	token := rand.Text()
	var last error
	for asked := false; ; {
		var err error
		if !asked {
			err = c.ask(ctx, name, token)
			asked = err == nil
		}
		if asked {
			var s *subject
			if s, err = c.read(ctx, name, token); err == nil {
				c.say(fmt.Sprintf("Member %s has a temporary password", name))
				return s, nil
			}
		}
		if last != nil && ctx.Err() != nil {
			// That the time is over is no reason.
			return nil, last
		}
		again := last != nil && last.Error() == err.Error()
		// What was made a moment ago may not be seen by the operator yet.
		if stalled := stalledError(""); again && errors.As(err, &stalled) {
			return nil, err
		}
		if !again {
			c.say(fmt.Sprintf("Waiting: %v", err))
		}
		last = err
		select {
		case <-time.After(checkInterval):
		case <-ctx.Done():
			return nil, last
		}
	}
}

// ask resets the password, but only of a member who is not mailed about it.
func (c *memberCheck) ask(ctx context.Context, name types.NamespacedName, token string) error {
	member := &v1alpha1.Member{}
	if err := c.client.Get(ctx, name, member); err != nil {
		return err
	}
	if member.Spec.PasswordSetup != v1alpha1.PasswordSetup(directory.PasswordSetupTemporary) {
		return stalledError(fmt.Sprintf("Member %s cannot be checked: its passwordSetup is not TemporaryPassword", name))
	}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.ResetPasswordAnnotation, token)
	return c.client.Patch(ctx, member, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// read is an error until the password that the token asked for is there.
func (c *memberCheck) read(ctx context.Context, name types.NamespacedName, token string) (*subject, error) {
	s := &subject{member: &v1alpha1.Member{}, tenant: &v1alpha1.Tenant{}, server: &v1alpha1.IdentityServer{}}
	if err := c.client.Get(ctx, name, s.member); err != nil {
		return nil, err
	}
	tenant := types.NamespacedName{Namespace: name.Namespace, Name: s.member.Spec.TenantRef.Name}
	if err := c.client.Get(ctx, tenant, s.tenant); err != nil {
		return nil, err
	}
	reference := s.tenant.Spec.IdentityServerRef
	server := types.NamespacedName{Namespace: reference.Namespace, Name: reference.Name}
	if server.Namespace == "" {
		server.Namespace = name.Namespace
	}
	if err := c.client.Get(ctx, server, s.server); err != nil {
		return nil, err
	}
	if err := errors.Join(
		unready("IdentityServer", s.server, s.server.Status.Conditions),
		unready("Tenant", s.tenant, s.tenant.Status.Conditions),
		unready("Member", s.member, s.member.Status.Conditions),
	); err != nil {
		return nil, err
	}
	password := s.member.Status.Password
	if password == nil || password.LastReset != token || password.SecretRef == nil {
		return nil, fmt.Errorf("no new temporary password for Member %s yet", name)
	}
	secret := &corev1.Secret{}
	if err := c.client.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: password.SecretRef.Name}, secret); err != nil {
		return nil, err
	}
	s.temporary = string(secret.Data[corev1.BasicAuthPasswordKey])
	return s, nil
}

// stalledError says what only a person can mend.
type stalledError string

func (e stalledError) Error() string { return string(e) }

// unready says why an object is not Ready, nil when it is.
func unready(kind string, object client.Object, conditions []metav1.Condition) error {
	ready := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	switch {
	case ready == nil || ready.ObservedGeneration != object.GetGeneration():
		return fmt.Errorf("%s %s/%s is not looked at yet; is an operator running?", kind, object.GetNamespace(), object.GetName())
	case ready.Status == metav1.ConditionTrue:
		return nil
	}
	reason := fmt.Sprintf("%s %s/%s is not ready: %s: %s", kind, object.GetNamespace(), object.GetName(), ready.Reason, ready.Message)
	if meta.IsStatusConditionTrue(conditions, v1alpha1.StalledCondition) {
		return stalledError(reason)
	}
	return errors.New(reason)
}
