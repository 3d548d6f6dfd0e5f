/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"container/heap"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// delayedRequests are requests that are queued later.
type delayedRequests struct {
	// at is when, for each; order may have more entries, which do not count.
	at map[reconcile.Request]time.Time
	// least is the priority that each has at least; where it is missing, any.
	least map[reconcile.Request]priority
	order delayOrder
}

type delay struct {
	request reconcile.Request
	at      time.Time
}

// delayOrder is a heap, the earliest first.
type delayOrder []delay

func (o delayOrder) Len() int           { return len(o) }
func (o delayOrder) Less(i, j int) bool { return o[i].at.Before(o[j].at) }
func (o delayOrder) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }
func (o *delayOrder) Push(x any)        { *o = append(*o, x.(delay)) }
func (o *delayOrder) Pop() any {
	last := len(*o) - 1
	popped := (*o)[last]
	*o = (*o)[:last]
	return popped
}

// put delays a request, and reports whether that is earlier than known before.
func (d *delayedRequests) put(request reconcile.Request, at time.Time, least priority) bool {
	if least > d.least[request] {
		d.least[request] = least
	}
	if known, delayed := d.at[request]; delayed && !at.Before(known) {
		return false
	}
	d.at[request] = at
	heap.Push(&d.order, delay{request, at})
	return true
}

func (d *delayedRequests) remove(request reconcile.Request) {
	delete(d.at, request)
	delete(d.least, request)
}

// dueRequest is one whose time has come, with the priority that it has at least.
type dueRequest struct {
	reconcile.Request
	least priority
}

// due takes the requests whose time has come.
func (d *delayedRequests) due(now time.Time) []dueRequest {
	var due []dueRequest
	for len(d.order) > 0 && !now.Before(d.order[0].at) {
		first := heap.Pop(&d.order).(delay)
		if at, counts := d.at[first.request]; counts && at.Equal(first.at) {
			due = append(due, dueRequest{first.request, d.least[first.request]})
			d.remove(first.request)
		}
	}
	return due
}

// releaseLater queues the delayed requests whose time has come.
func (q *provisionQueue) releaseLater() {
	q.mu.Lock()
	due := q.later.due(time.Now())
	q.mu.Unlock()
	for _, each := range due {
		q.AddAtLeast(each.Request, each.least)
	}
}
