/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/internal/admin"
)

// audited is an IdP that only records, and may fail at it.
type audited struct {
	admin.Service
	mu       sync.Mutex
	failure  error
	calls    int
	recorded []admin.AuditEntry
}

func (a *audited) Record(_ context.Context, entries []admin.AuditEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if a.failure == nil {
		a.recorded = append(a.recorded, entries...)
	}
	return a.failure
}

func (a *audited) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failure = err
}

func (a *audited) details() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var details []string
	for _, entry := range a.recorded {
		details = append(details, entry.Detail)
	}
	return details
}

func (a *audited) called() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

var auditedServer = types.NamespacedName{Namespace: "tegata", Name: "audited"}

func newTestRecorder(ctx context.Context, running bool) (*auditRecorder, *audited) {
	servers, service := NewServers(), &audited{}
	if running {
		servers.running[auditedServer] = &Server{Service: service}
	}
	recorder := newAuditRecorder(ctx, servers, time.Now)
	recorder.retry = time.Millisecond
	return recorder, service
}

func entry(i int) admin.AuditEntry {
	return admin.AuditEntry{Tenant: "acme", Action: admin.AccountCreated, Detail: fmt.Sprint(i)}
}

func numbers(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func TestAuditRecorderKeepsOrderThroughFailures(t *testing.T) {
	g := NewWithT(t)
	recorder, service := newTestRecorder(t.Context(), true)
	service.fail(errors.New("database away"))
	for i := range 1200 {
		recorder.record(auditedServer, entry(i))
	}
	g.Eventually(service.called).Should(BeNumerically(">", 2))
	g.Expect(service.details()).To(BeEmpty())
	service.fail(nil)
	recorder.wait()
	g.Expect(service.details()).To(Equal(numbers(1200)))
	g.Expect(service.recorded[7].ID).NotTo(BeEmpty())
	g.Expect(service.recorded[7].Time).To(BeTemporally("~", time.Now(), time.Minute))
	g.Expect(recorder.queues).To(BeEmpty())

	recorder.record(auditedServer, entry(1200))
	recorder.wait()
	g.Expect(service.details()).To(HaveLen(1201), "a queue begins anew")
}

func TestAuditRecorderWaitsForItsServer(t *testing.T) {
	g := NewWithT(t)
	recorder, service := newTestRecorder(t.Context(), false)
	recorder.record(auditedServer, entry(0))
	recorder.servers.mu.Lock()
	recorder.servers.running[auditedServer] = &Server{Service: service}
	recorder.servers.mu.Unlock()
	recorder.wait()
	g.Expect(service.details()).To(Equal(numbers(1)))
}

func TestAuditRecorderTellsOfWhatItDrops(t *testing.T) {
	g := NewWithT(t)
	counted := func() float64 {
		metric := &dto.Metric{}
		g.Expect(droppedEntries.WithLabelValues(auditedServer.String()).Write(metric)).To(Succeed())
		return metric.GetCounter().GetValue()
	}
	before := counted()
	dropped := func() float64 { return counted() - before }
	recorder, service := newTestRecorder(t.Context(), true)
	service.fail(errors.New("database away"))
	for i := range maxUnrecorded + 3 {
		recorder.record(auditedServer, entry(i))
	}
	g.Expect(dropped()).To(Equal(3.0))
	service.fail(nil)
	recorder.wait()
	g.Expect(service.details()).To(HaveLen(maxUnrecorded))

	service.fail(fmt.Errorf("%w: no such action", admin.ErrInvalid))
	recorder.record(auditedServer, entry(0))
	recorder.wait()
	g.Expect(dropped()).To(Equal(4.0), "what is refused is not tried for ever")
}

func TestAuditRecorderEndsWithTheProcess(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	recorder, service := newTestRecorder(ctx, true)
	service.fail(errors.New("database away"))
	recorder.record(auditedServer, entry(0))
	g.Eventually(service.called).Should(BeNumerically(">", 1))
	cancel()
	recorder.wait()

	recorder.record(auditedServer, entry(1))
	recorder.wait()
	service.fail(nil)
	recorder.record(auditedServer, entry(2))
	recorder.wait()
	g.Expect(service.details()).To(Equal([]string{"2"}), "what is still asked at the end is tried once")
}
