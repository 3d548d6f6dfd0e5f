/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/test/inbox"
	"tegata.dev/tegata/test/sampleprovider"
)

// What config/samples says.
const (
	namespace      = "acme"
	tenantName     = "acme"
	portalURL      = "http://127.0.0.1:18080"
	metadataURL    = portalURL + "/saml/acme/metadata"
	providerURL    = "http://127.0.0.1:18081"
	inboxURL       = "http://127.0.0.1:18025"
	idpAddress     = "127.0.0.1:18080"
	spAddress      = "127.0.0.1:18081"
	inboxAddress   = "127.0.0.1:18025"
	smtpAddress    = "127.0.0.1:11025"
	readyMember    = "sato-hanako"
	readyMail      = "hanako.sato@acme.example"
	pendingMember  = "yamada-taro"
	pendingMail    = "taro.yamada@acme.example"
	linkedMail     = "john.smith@acme.example"
	startupTimeout = time.Minute
)

// demo is all that runs.
type demo struct {
	assets     string // directory of etcd and kube-apiserver
	operator   string // path of the operator's binary
	root       string // the repository
	directory  string // .demo
	kubeconfig string
	env        string

	lock      *os.File
	processes []*process
	listeners []net.Listener
	inbox     *inbox.Inbox
	client    client.Client
	password  string // of readyMember, once set
}

// newDemo takes the directory for itself and empties it.
func newDemo(root, directory, assets, operator string) (*demo, error) {
	directory, err := filepath.Abs(directory)
	if err != nil {
		return nil, err
	}
	d := &demo{
		assets: assets, operator: operator, root: root, directory: directory,
		kubeconfig: filepath.Join(directory, "kubeconfig"), env: filepath.Join(directory, "env"), inbox: &inbox.Inbox{},
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	// The kernel lets the lock go with the process, however that ends.
	if d.lock, err = os.OpenFile(filepath.Join(directory, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another demo already runs in %s; stop it with Ctrl-C first", directory), d.lock.Close())
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if entry.Name() == "lock" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(directory, entry.Name())); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// start brings everything up and returns when a member can log in.
func (d *demo) start(ctx context.Context) error {
	if err := d.serve(); err != nil {
		return err
	}
	say("Starting etcd and kube-apiserver")
	config, err := d.startControlPlane(ctx)
	if err != nil {
		return err
	}
	if err := d.connect(config); err != nil {
		return err
	}
	say("Applying config/crd and config/samples")
	if err := d.applySamples(ctx); err != nil {
		return err
	}
	say("Starting the operator with the identity provider in it")
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	if err := d.launch("operator", d.operator, "--kubeconfig", d.kubeconfig, "--data-dir", filepath.Join(d.directory, "data"),
		"--metrics-bind-address", "0", "--health-probe-bind-address", fmt.Sprintf("127.0.0.1:%d", ports[0])); err != nil {
		return err
	}
	if err := d.awaitReady(ctx); err != nil {
		return err
	}
	say("Setting %s's password through the link in her mail", readyMember)
	if d.password, err = d.followLink(ctx, readyMail); err != nil {
		return fmt.Errorf("set the password of %s: %w", readyMember, err)
	}
	return d.writeEnv()
}

// serve opens the ports that config/samples names, and answers on those of the
// inbox and of the sample service provider.
func (d *demo) serve() error {
	provider, err := sampleprovider.New(sampleprovider.Options{URL: providerURL, IdPMetadataURL: metadataURL})
	if err != nil {
		return err
	}
	probe, err := listen(idpAddress, "the identity provider")
	if err != nil {
		return err
	}
	if err := probe.Close(); err != nil { // the operator will listen here
		return err
	}
	for _, s := range []struct {
		address, what string
		run           func(net.Listener) error
	}{
		{smtpAddress, "the SMTP server of the inbox", d.inbox.ServeSMTP},
		{inboxAddress, "the inbox page", serveHTTP(d.inbox)},
		{spAddress, "the sample service provider", serveHTTP(provider)},
	} {
		listener, err := listen(s.address, s.what)
		if err != nil {
			return err
		}
		d.listeners = append(d.listeners, listener)
		go func() {
			if err := s.run(listener); err != nil && !errors.Is(err, net.ErrClosed) {
				say("Serving %s failed: %v", s.what, err)
			}
		}()
	}
	return nil
}

func serveHTTP(handler http.Handler) func(net.Listener) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve
}

func listen(address, what string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("another program already listens on %s, which the demo needs for %s; stop it first (a demo in another directory?)", address, what)
	}
	return listener, err
}

func (d *demo) connect(config *rest.Config) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	var err error
	d.client, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

func (d *demo) applySamples(ctx context.Context) error {
	definitions, err := filepath.Glob(filepath.Join(d.root, "config/crd/bases/*.yaml"))
	if err != nil {
		return err
	}
	if err := applyFiles(ctx, d.client, definitions...); err != nil {
		return err
	}
	if err := d.await(ctx, "the custom resource definitions were not established", func() bool { return established(ctx, d.client, len(definitions)) }); err != nil {
		return err
	}
	samples, err := kustomized(filepath.Join(d.root, "config/samples"))
	if err != nil {
		return err
	}
	return applyFiles(ctx, d.client, samples...)
}

func established(ctx context.Context, c client.Client, want int) bool {
	list := &apiextensionsv1.CustomResourceDefinitionList{}
	if c.List(ctx, list) != nil {
		return false
	}
	for _, definition := range list.Items {
		if !slices.ContainsFunc(definition.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		}) {
			return false
		}
	}
	return len(list.Items) >= want
}

func (d *demo) launch(name, path string, args ...string) error {
	p, err := launch(d.directory, name, path, args...)
	if err == nil {
		d.processes = append(d.processes, p)
	}
	return err
}

// await polls until done, a process of the demo ends, or startupTimeout is over.
func (d *demo) await(ctx context.Context, failure string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startupTimeout)
	defer cancel()
	for !done() {
		if err := d.pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", failure, err)
		}
	}
	return nil
}

// pause waits, less when ctx ends or a process of the demo does.
func (d *demo) pause(ctx context.Context, wait time.Duration) error {
	select {
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errors.New("it took too long; see the logs in " + d.directory)
		}
		return ctx.Err()
	case <-time.After(wait):
	}
	for _, p := range d.processes {
		if err := p.died(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends all that was started, the last first.
func (d *demo) stop() error {
	err := os.RemoveAll(d.env)
	for _, p := range slices.Backward(d.processes) {
		p.stop()
	}
	for _, listener := range d.listeners {
		err = errors.Join(err, listener.Close())
	}
	return errors.Join(err, d.lock.Close())
}
