/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/idp"
)

// Options are what every server started here has in common.
type Options struct {
	// DataDirectory holds one directory for each namespace and server; empty: a
	// server on SQLite does not start.
	DataDirectory string
	// Version is what the status shows.
	Version string
	Log     logr.Logger
	// Registerer takes the servers' metrics, labelled with their names; nil keeps none.
	Registerer prometheus.Registerer
	// Adjust changes a server's options before it starts; nil for tests only.
	Adjust func(*idp.Options)
}

// Launcher runs identity servers in this process. It implements
// controllers.Launcher and manager.Runnable: when the manager stops, so do they.
type Launcher struct {
	options Options

	mu      sync.Mutex
	running map[types.NamespacedName]*instance
	onExit  func(types.NamespacedName)
}

// instance is a server that runs.
type instance struct {
	config  controllers.ServerConfig
	server  *idp.Server
	metrics *registrations
	stop    context.CancelFunc
	done    chan struct{}
}

// NewLauncher runs nothing yet.
func NewLauncher(o Options) *Launcher {
	return &Launcher{options: o, running: map[types.NamespacedName]*instance{}, onExit: func(types.NamespacedName) {}}
}

// OnExit registers who is told of a server that ended by itself.
func (l *Launcher) OnExit(tell func(types.NamespacedName)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onExit = tell
}

// Start waits for the manager to stop and then stops every server. It
// implements manager.Runnable.
func (l *Launcher) Start(ctx context.Context) error {
	<-ctx.Done()
	l.mu.Lock()
	names := make([]types.NamespacedName, 0, len(l.running))
	for name := range l.running {
		names = append(names, name)
	}
	l.mu.Unlock()
	var stopping sync.WaitGroup
	for _, name := range names {
		stopping.Go(func() { _ = l.Stop(context.WithoutCancel(ctx), name) })
	}
	stopping.Wait()
	return nil
}

// Ensure starts the server, or restarts it where its configuration changed.
func (l *Launcher) Ensure(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig) (controllers.Serving, error) {
	l.mu.Lock()
	current := l.running[name]
	l.mu.Unlock()
	if current != nil && reflect.DeepEqual(current.config, config) {
		return l.serving(current), nil
	}
	if err := l.Stop(ctx, name); err != nil {
		return controllers.Serving{}, err
	}
	started, err := l.start(ctx, name, config)
	if err != nil {
		return controllers.Serving{}, err
	}
	return l.serving(started), nil
}

func (l *Launcher) serving(running *instance) controllers.Serving {
	return controllers.Serving{Service: running.server.Admin(), Version: l.options.Version}
}

func (l *Launcher) start(ctx context.Context, name types.NamespacedName, config controllers.ServerConfig) (*instance, error) {
	metrics := newRegistrations(l.options.Registerer, name)
	options, err := l.serverOptions(name, config)
	if err != nil {
		return nil, err
	}
	options.Registerer = metrics
	server, err := idp.New(ctx, options)
	if err != nil {
		metrics.unregisterAll()
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	started := &instance{config: config, server: server, metrics: metrics, stop: stop, done: make(chan struct{})}
	l.mu.Lock()
	l.running[name] = started
	l.mu.Unlock()
	go l.run(running, name, started)
	return started, nil
}

// run serves until the instance is stopped or fails.
func (l *Launcher) run(ctx context.Context, name types.NamespacedName, started *instance) {
	defer close(started.done)
	err := started.server.Run(ctx)
	started.metrics.unregisterAll()
	l.mu.Lock()
	if l.running[name] == started {
		delete(l.running, name)
	}
	tell := l.onExit
	l.mu.Unlock()
	if err != nil {
		l.options.Log.Error(err, "Server ended", "identityServer", name)
	}
	if ctx.Err() == nil {
		tell(name)
	}
}

// Stop stops the server gracefully; an unknown name is ignored.
func (l *Launcher) Stop(ctx context.Context, name types.NamespacedName) error {
	l.mu.Lock()
	current := l.running[name]
	l.mu.Unlock()
	if current == nil {
		return nil
	}
	current.stop()
	select {
	case <-current.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Launcher) serverOptions(name types.NamespacedName, config controllers.ServerConfig) (idp.Options, error) {
	options := idp.Options{
		ExternalURL:    config.ExternalURL,
		Address:        config.Listen,
		PostgresDSN:    config.PostgresDSN,
		Key:            config.Key,
		Version:        l.options.Version,
		SMTP:           smtpOptions(config.Mail),
		TrustedProxies: config.TrustedProxies,
		Log:            l.options.Log.WithValues("identityServer", name.String()),
	}
	if config.PostgresDSN == "" {
		if l.options.DataDirectory == "" {
			return options, errors.New("this operator has no data directory (--data-dir) for SQLite files; use deployment instead of embedded")
		}
		directory := filepath.Join(l.options.DataDirectory, name.Namespace, name.Name)
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return options, fmt.Errorf("make the data directory: %w", err)
		}
		options.SQLitePath = filepath.Join(directory, "tegata.db")
	}
	if l.options.Adjust != nil {
		l.options.Adjust(&options)
	}
	return options, nil
}
