/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"compress/flate"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/keypair"
)

// site is an IdP on SQLite with tenants, each with one member and some apps.
type site struct {
	url     string
	handler http.Handler
	service admin.Service
	// key signs for all tenants; each holds it by itself, as if it were its own.
	key           admin.KeyPair
	tenants, apps int
	// sessions are the cookies of the members, by tenant.
	sessions []string
	// deflater is used again, so that the requests leave little for the garbage collector.
	deflater *flate.Writer
}

// newSite starts an IdP. The algorithm is that of its signing keys.
func newSite(ctx context.Context, tenants, apps int, algorithm keypair.Algorithm) (*site, func(), error) {
	pair, err := keypair.Generate(algorithm, "bench", time.Now().Add(-time.Hour), 24*time.Hour, nil)
	if err != nil {
		return nil, nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	deflater, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil {
		return nil, nil, err
	}
	s := &site{url: "http://" + listener.Addr().String(), key: pair, tenants: tenants, apps: apps, deflater: deflater}
	stop, err := s.start(ctx, listener)
	if err != nil {
		return nil, nil, err
	}
	if err := s.populate(ctx); err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, nil
}

func (s *site) start(ctx context.Context, listener net.Listener) (stop func(), err error) {
	folder, err := os.MkdirTemp("", "tegata-bench-")
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	server, err := idp.New(ctx, idp.Options{
		ExternalURL: s.url, Listener: listener, SQLitePath: filepath.Join(folder, "tegata.db"), Key: key, Log: logr.Discard(),
	})
	if err != nil {
		return nil, err
	}
	s.handler, s.service = server.Handler(), server.Admin()
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Run(running) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			fmt.Fprintln(os.Stderr, "bench: stop the IdP:", err)
		}
		_ = os.RemoveAll(folder)
	}, nil
}

func tenantName(i int) string { return fmt.Sprintf("tenant-%04d", i) }
func entityID(app int) string { return fmt.Sprintf("https://app-%04d.example/saml", app) }
func acs(app int) string      { return entityID(app) + "/acs" }

const member = "taro"

func mailOf(tenant int) string { return member + "@" + tenantName(tenant) + ".example" }

func memberKey(tenant int) admin.Key {
	return admin.Key{Kind: admin.KindMember, Tenant: tenantName(tenant), Name: member}
}

func (s *site) populate(ctx context.Context) error {
	var changes []admin.Change
	for i := range s.tenants {
		changes = append(changes, s.tenant(i)...)
	}
	for batch := range slices.Chunk(changes, admin.MaxBatch) {
		results, err := s.service.Apply(ctx, batch)
		if err != nil {
			return err
		}
		for _, result := range results {
			if result.Problem != nil {
				return fmt.Errorf("refused: %s", result.Problem.Message)
			}
		}
	}
	// Thousands of members are not logged in by their passwords, which would take an hour.
	sessions, ok := s.service.(interface {
		CreateSession(ctx context.Context, session store.Session) (string, error)
	})
	if !ok {
		return errors.New("the IdP makes no sessions")
	}
	for i := range s.tenants {
		token, err := sessions.CreateSession(ctx, store.Session{
			Tenant: tenantName(i), Member: member, AuthenticatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), Address: "192.0.2.1"})
		if err != nil {
			return err
		}
		s.sessions = append(s.sessions, token)
	}
	return nil
}

// tenant is one with a member and apps, of which every other one has both the
// response and the assertion signed, and those between the assertion alone.
func (s *site) tenant(i int) []admin.Change {
	name := tenantName(i)
	owner := name + "/" + name
	changes := []admin.Change{
		{Key: admin.Key{Kind: admin.KindTenant, Tenant: name}, Owner: owner, Tenant: &admin.Tenant{
			Tenant: directory.Tenant{Slug: name, DisplayName: "株式会社アクメ", TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus}, SigningKey: s.key}},
		{Key: memberKey(i), Owner: name + "/" + member, TenantOwner: owner, Member: &admin.Member{Member: directory.Member{
			Tenant: name, Name: member, Person: directory.PersonName{Family: "山田", Given: "太郎"}, Mail: mailOf(i), Role: directory.RoleStaff,
			TimeZone: "Asia/Tokyo", Language: "ja", PasswordSetup: directory.PasswordSetupTemporary}}},
	}
	for app := range s.apps {
		appName := fmt.Sprintf("app-%04d", app)
		changes = append(changes, admin.Change{
			Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: name, Name: appName}, Owner: name + "/" + appName, TenantOwner: owner, App: &directory.App{
				Tenant: name, Kind: directory.KindSAMLApp, Name: appName, DisplayName: "社内Wiki", Visible: true,
				SAML: &directory.SAMLSettings{Flow: directory.FlowSPInitiated, EntityID: entityID(app),
					AssertionConsumerServices: []directory.AssertionConsumerService{{URL: acs(app)}},
					Signing:                   signing[app%len(signing)], NameIDFormat: directory.NameIDEmailAddress,
					Attributes: []directory.AttributeMapping{{Name: "displayName", NameFormat: "unspecified", Field: directory.FieldDisplayName}}}}})
	}
	return changes
}

// signing is what the apps have signed, in turns.
var signing = []directory.SigningMode{directory.SignResponseAndAssertion, directory.SignAssertion}

// cpuTime is what this process has used, in user and system mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func perItem(total time.Duration, n int) string {
	return (total / time.Duration(n)).Round(time.Microsecond).String()
}

func median(values []time.Duration) time.Duration {
	slices.Sort(values)
	return values[len(values)/2]
}
