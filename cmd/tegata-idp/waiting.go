/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"tegata.dev/tegata/internal/idp"
)

const (
	// firstRetry and lastRetry bound the waits between attempts to open the database.
	firstRetry = 2 * time.Second
	lastRetry  = 15 * time.Second
	// comeBack is when browsers are asked to try again, in seconds.
	comeBack = "5"
	// patience bounds a request meanwhile.
	patience = 10 * time.Second
)

// waiting is why the server does not serve yet. Ending instead would hide the
// reason behind a crash loop, whose pauses outlast the database's absence.
type waiting struct {
	reason atomic.Pointer[string]
	log    logr.Logger
}

func newWaiting(log logr.Logger) *waiting {
	w := &waiting{log: log}
	reason := "the database is being opened and brought up to date"
	w.reason.Store(&reason)
	return w
}

// why is the reason, one line.
func (w *waiting) why() string { return *w.reason.Load() }

// because notes the reason, and logs it where it is another one.
func (w *waiting) because(err error) {
	reason := strings.Join(strings.Fields(err.Error()), " ")
	if *w.reason.Swap(&reason) != reason {
		w.log.Error(errors.New(reason), "Failed to open the database; it is tried again")
	}
}

// open opens the server as soon as its database can be opened. An error is
// one that only a restart mends, or the context's.
func (w *waiting) open(ctx context.Context, options idp.Options) (*idp.Server, error) {
	for wait := firstRetry; ; wait = min(wait*3/2, lastRetry) {
		server, err := idp.New(ctx, options)
		if err == nil || !errors.Is(err, idp.ErrDatabase) {
			return server, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		w.because(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ServeHTTP answers browsers and probes meanwhile. The reason is not for
// everybody: it goes to the log and, by the admin API, to the operator.
func (w *waiting) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	status, text := http.StatusServiceUnavailable, "準備中です。しばらくしてからもう一度お試しください。\nNot ready yet. Please try again in a moment."
	switch r.URL.Path {
	case "/healthz":
		status, text = http.StatusOK, "ok"
	case "/readyz":
		text = "not ready: the database cannot be opened yet; the log says why"
	}
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.Header().Set("Cache-Control", "no-store")
	if status != http.StatusOK {
		out.Header().Set("Retry-After", comeBack)
	}
	out.WriteHeader(status)
	// The client may have gone; there is nobody to tell.
	_, _ = io.WriteString(out, text+"\n")
}

// lent is a listener that leaves the socket open, and is at its end when the
// socket's deadline is set.
type lent struct{ *net.TCPListener }

// Accept implements net.Listener.
func (l lent) Accept() (net.Conn, error) {
	connection, err := l.TCPListener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = net.ErrClosed
	}
	return connection, err
}

// Close implements net.Listener.
func (lent) Close() error { return nil }

// lend serves the socket by handler until takeBack, which returns once the
// next server may accept. Clients that come in between wait in the socket's
// queue. There is no Shutdown, which drops connections that have only just been
// accepted; each ends with its first answer, as none is kept.
func lend(socket *net.TCPListener, handler http.Handler, log logr.Logger) (takeBack func() error) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, ErrorLog: clientFaults(log)}
	server.SetKeepAlivesEnabled(false)
	served := make(chan error, 1)
	go func() { served <- server.Serve(lent{socket}) }()
	return func() error {
		err := socket.SetDeadline(time.Unix(1, 0))
		if ended := <-served; !errors.Is(ended, net.ErrClosed) {
			err = fmt.Errorf("serve browsers: %w", ended)
		}
		return errors.Join(err, socket.SetDeadline(time.Time{}))
	}
}
