/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"tegata.dev/tegata/internal/admin"
)

const (
	// maxUnrecorded bounds the audit entries that wait for one identity server.
	maxUnrecorded = 20_000
	// recordRetry is the pause after entries could not be recorded.
	recordRetry = 5 * time.Second
	// recordAtEnd is how long entries are still tried to be recorded when the process ends.
	recordAtEnd = 5 * time.Second
)

var droppedEntries = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "tegata_audit_entries_dropped_total",
	Help: "Audit entries of the operator that are in no audit log, because the identity server took none for too long.",
}, []string{"identity_server"})

func init() { metrics.Registry.MustRegister(droppedEntries) }

// auditRecorder brings what the operator did into the audit logs. Its callers
// never wait: entries are queued for each identity server and recorded
// together, again until the server takes them.
type auditRecorder struct {
	// lifetime ends when the process does.
	lifetime context.Context
	servers  *Servers
	clock    Clock
	// retry is the pause after a failure.
	retry time.Duration
	// working are the queues being written.
	working sync.WaitGroup

	mu     sync.Mutex
	queues map[types.NamespacedName]*auditQueue
}

// auditQueue are the entries that wait for one server. A goroutine works on it
// while there are any.
type auditQueue struct {
	entries []admin.AuditEntry
	dropped int
}

func newAuditRecorder(lifetime context.Context, servers *Servers, clock Clock) *auditRecorder {
	return &auditRecorder{
		lifetime: lifetime, servers: servers, clock: clock, retry: recordRetry,
		queues: map[types.NamespacedName]*auditQueue{},
	}
}

// record queues an entry of one of admin.RecordedActions for the audit log of
// the identity server. ID, and Time where it is zero, are set here.
func (r *auditRecorder) record(server types.NamespacedName, entry admin.AuditEntry) {
	// NewV7 fails only where the system gives no random bytes; the IdP makes the ID then.
	if id, err := uuid.NewV7(); err == nil {
		entry.ID = id.String()
	}
	if entry.Time.IsZero() {
		entry.Time = r.clock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	queue, working := r.queues[server]
	if !working {
		queue = &auditQueue{}
		r.queues[server] = queue
		r.working.Go(func() { r.work(server, queue) })
	}
	if len(queue.entries) >= maxUnrecorded {
		queue.dropped++
		droppedEntries.WithLabelValues(server.String()).Inc()
		return
	}
	queue.entries = append(queue.entries, entry)
}

// Start keeps the process until what is queued at its end was tried once more.
// It implements manager.Runnable.
func (r *auditRecorder) Start(ctx context.Context) error {
	<-ctx.Done()
	r.wait()
	return nil
}

// wait ends when nothing is being recorded any more.
func (r *auditRecorder) wait() { r.working.Wait() }

// work records the queue's entries until there are none.
func (r *auditRecorder) work(server types.NamespacedName, queue *auditQueue) {
	log := logf.FromContext(r.lifetime).WithValues("identityServer", server)
	failing := false
	for {
		batch := r.next(server, queue)
		if len(batch) == 0 {
			return
		}
		err := r.send(server, batch)
		switch {
		case err == nil:
			failing = false
			if dropped := r.sent(queue, len(batch)); dropped > 0 {
				log.Error(errors.New("too many audit entries waited"), "Dropped audit entries", "entries", dropped)
			}
		case errors.Is(err, admin.ErrInvalid):
			r.sent(queue, len(batch))
			droppedEntries.WithLabelValues(server.String()).Add(float64(len(batch)))
			log.Error(err, "Dropped audit entries", "entries", len(batch))
		case r.lifetime.Err() != nil:
			r.giveUp(server, queue, err)
			return
		default:
			if !failing {
				log.Info("Failed to record audit entries; they are tried again", "error", err.Error())
			}
			failing = true
			sleep(r.lifetime, r.retry)
		}
	}
}

// next are the entries to record now; where there are none, the queue ends.
func (r *auditRecorder) next(server types.NamespacedName, queue *auditQueue) []admin.AuditEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(queue.entries) == 0 {
		delete(r.queues, server)
		return nil
	}
	return queue.entries[:min(len(queue.entries), admin.MaxBatch)]
}

// sent takes the first entries from the queue, and returns how many were
// dropped since it was asked last.
func (r *auditRecorder) sent(queue *auditQueue, n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	queue.entries = queue.entries[n:]
	dropped := queue.dropped
	queue.dropped = 0
	return dropped
}

// send records entries. When the process ends it is tried once more, for a short time.
func (r *auditRecorder) send(server types.NamespacedName, entries []admin.AuditEntry) error {
	running := r.servers.Get(server)
	if running == nil {
		return errServerAway
	}
	ctx := r.lifetime
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), recordAtEnd)
		defer cancel()
	}
	return running.Record(ctx, entries)
}

// giveUp tells what is lost with the process.
func (r *auditRecorder) giveUp(server types.NamespacedName, queue *auditQueue, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := len(queue.entries) + queue.dropped
	delete(r.queues, server)
	droppedEntries.WithLabelValues(server.String()).Add(float64(len(queue.entries)))
	logf.FromContext(r.lifetime).Error(cause, "Lost audit entries at the end of the process", "identityServer", server, "entries", lost)
}
