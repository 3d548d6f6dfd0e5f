/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// onServer is a store at the DSN, with one member.
func onServer(t *testing.T, dsn string) *fixture {
	t.Helper()
	options := store.Options{PostgresDSN: dsn, Key: storetest.Key()}
	clock := storetest.NewClock()
	options.Now = clock.Now
	f := &fixture{Store: storetest.Open(t, options), WithT: NewWithT(t), t: t, ctx: t.Context(), clock: clock, options: options}
	f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
	return f
}

// warm fills the pool with connections that were used just now.
func (f *fixture) warm() {
	f.t.Helper()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 5 {
				if err := f.Audit(f.ctx, admin.AuditEntry{Action: "Warm"}); err != nil {
					f.t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func unavailable(err error) bool {
	_, ok := errors.AsType[*admin.UnavailableError](err)
	return ok
}

func TestStaleConnectionsAreReplacedUnnoticed(t *testing.T) {
	server := storetest.NewServer(t)
	proxy := storetest.NewProxy(t, server.Host())
	f := onServer(t, server.DSN(proxy.Host()))
	token := f.session("acme", "hanako")
	uses := map[string]func() error{
		"read":        func() error { _, _, err := f.Session(f.ctx, token); return err },
		"write":       func() error { return f.Audit(f.ctx, admin.AuditEntry{Action: "After"}) },
		"ping":        func() error { return f.Ping(f.ctx) },
		"transaction": func() error { _, err := f.Tenant(f.ctx, "acme"); return err },
	}
	for name, use := range uses {
		f.warm()
		proxy.Drop()
		for range 40 {
			f.Expect(use()).To(Succeed(), name)
		}
	}
	f.warm()
	server.Stop()
	_, _, err := f.Session(f.ctx, token)
	f.Expect(unavailable(err)).To(BeTrue(), "%v", err)
	f.Expect(unavailable(f.Ping(f.ctx))).To(BeTrue())
	_, err = f.Attempt(f.ctx, "hanako@example.com", "192.0.2.1")
	f.Expect(unavailable(err)).To(BeTrue(), "%v", err)
	server.Start()
	for name, use := range uses {
		f.Expect(use()).To(Succeed(), name)
	}
}

func TestTransactionsAreCarriedOverABreak(t *testing.T) {
	server := storetest.NewServer(t)
	proxy := storetest.NewProxy(t, server.Host())
	f := onServer(t, server.DSN(proxy.Host()))
	token := f.session("acme", "hanako")
	f.warm()

	proxy.BreakOn(storetest.Sends("DELETE FROM sessions"))
	f.Expect(f.EndSessions(f.ctx, memberKey("acme", "hanako"))).To(Succeed(), "run again, as nothing was committed")
	_, _, err := f.Session(f.ctx, token)
	f.Expect(err).To(MatchError(store.ErrNotFound))

	before := len(f.actions())
	proxy.BreakOn(storetest.Sends("commit"))
	err = f.Audit(f.ctx, admin.AuditEntry{Action: "Lost"})
	f.Expect(unavailable(err)).To(BeTrue(), "nobody knows whether a commit without an answer happened: %v", err)
	f.Expect(f.actions()).To(HaveLen(before), "this one did not reach the server, and was not repeated")
}

func TestSilentServerIsGivenUpInTime(t *testing.T) {
	server := storetest.NewServer(t)
	proxy := storetest.NewProxy(t, server.Host())
	f := onServer(t, server.DSN(proxy.Host()))
	token := f.session("acme", "hanako")
	f.warm()
	proxy.Swallow(true)
	started := time.Now()
	f.Expect(unavailable(f.Ping(f.ctx))).To(BeTrue())
	f.Expect(time.Since(started)).To(BeNumerically("<", 6*time.Second))
	limited, cancel := context.WithTimeout(f.ctx, 3*time.Second)
	defer cancel()
	_, _, err := f.Session(limited, token)
	f.Expect(unavailable(err)).To(BeTrue(), "%v", err)
	proxy.Swallow(false)
	for range 20 {
		f.Expect(f.Ping(f.ctx)).To(Succeed())
		_, _, err = f.Session(f.ctx, token)
		f.Expect(err).NotTo(HaveOccurred())
	}
}

// TestSilentHostIsPassedOver lists a host first that takes connections and says nothing.
func TestSilentHostIsPassedOver(t *testing.T) {
	g := NewWithT(t)
	server := storetest.NewServer(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = silent.Close() })
	started := time.Now()
	f := onServer(t, server.DSN(silent.Addr().String(), server.Host()))
	f.Expect(time.Since(started)).To(BeNumerically(">", time.Second), "the silent host was tried")
	f.Expect(f.Ping(f.ctx)).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	started = time.Now()
	_, err = store.Open(ctx, store.Options{PostgresDSN: "postgres://tegata@" + silent.Addr().String() + "/x?sslmode=disable", Key: storetest.Key()})
	g.Expect(err).To(MatchError(ContainSubstring("does not answer")))
	g.Expect(time.Since(started)).To(BeNumerically("<", 10*time.Second))
}

func TestFailover(t *testing.T) {
	primary := storetest.NewServer(t)
	standby := primary.Standby()
	// As in the documentation, and as an administrator forgets it.
	for _, attributes := range []string{"&target_session_attrs=read-write", ""} {
		name := map[bool]string{true: "by default", false: "as documented"}[attributes == ""]
		t.Run(name, func(t *testing.T) {
			dsn := primary.DSN(primary.Host(), standby.Host())
			f := onServer(t, dsn+attributes)
			token := f.session("acme", "hanako")
			f.warm()
			primary.CaughtUp()
			primary.Kill()
			_, _, err := f.Session(f.ctx, token)
			f.Expect(unavailable(err)).To(BeTrue(), "the standby does not count: %v", err)
			f.Expect(f.Ping(f.ctx)).NotTo(Succeed())
			standby.Promote()
			f.Expect(f.Ping(f.ctx)).To(Succeed())
			session, _, err := f.Session(f.ctx, token)
			f.Expect(err).NotTo(HaveOccurred())
			f.Expect(session.Member).To(Equal("hanako"))
			f.Expect(f.session("acme", "hanako")).NotTo(BeEmpty())
			// The other way round for the next one.
			primary, standby = standby, standby.Standby()
		})
	}
}

// TestReadOnlyServerIsLetGo keeps connections to a server that became a standby
// behind one address, as a Service's or a pooler's.
func TestReadOnlyServerIsLetGo(t *testing.T) {
	server := storetest.NewServer(t)
	f := onServer(t, server.DSN())
	token := f.session("acme", "hanako")
	f.warm()
	f.Expect(server.Execute("ALTER SYSTEM SET default_transaction_read_only = on")).To(Succeed())
	f.Expect(server.Execute("SELECT pg_reload_conf()")).To(Succeed())
	f.Eventually(func() bool { return unavailable(f.Audit(f.ctx, admin.AuditEntry{Action: "Refused"})) }, "10s").Should(BeTrue())
	f.Expect(unavailable(f.Ping(f.ctx))).To(BeTrue())
	f.Expect(server.Execute("ALTER SYSTEM RESET default_transaction_read_only")).To(Succeed())
	f.Expect(server.Execute("SELECT pg_reload_conf()")).To(Succeed())
	f.Eventually(func() error { return f.Ping(f.ctx) }, "10s").Should(Succeed())
	for range 40 {
		f.Expect(f.Audit(f.ctx, admin.AuditEntry{Action: "Taken"})).To(Succeed())
		_, _, err := f.Session(f.ctx, token)
		f.Expect(err).NotTo(HaveOccurred())
	}
}

// TestHalfReadOnlyPool has one address lead to a new server while the pooled
// connections lead to the old one, which takes no writes any more.
func TestHalfReadOnlyPool(t *testing.T) {
	server := storetest.NewServer(t)
	f := onServer(t, server.DSN())
	f.warm()
	f.Expect(store.MakeReadOnly(f.ctx, f.Store, 16)).To(Succeed())
	for range 40 {
		f.Expect(f.Audit(f.ctx, admin.AuditEntry{Action: "Taken"})).To(Succeed(), "run again on a new connection")
	}
}
