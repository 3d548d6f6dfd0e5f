/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command tegata-operator reconciles Tegata's custom resources into running
// identity providers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	_ "time/tzdata" // members live in any time zone, and images may ship without a database of them

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	_ "sigs.k8s.io/controller-runtime/pkg/client/config" // defines --kubeconfig
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/deployed"
	"tegata.dev/tegata/internal/embedded"
)

// version is set when a release is built.
var version = "dev"

// leaseName is the lease that the leading replica holds.
const leaseName = "tegata-operator.identity.tegata.dev"

// options are the flags.
type options struct {
	dataDirectory string
	metrics       string
	probes        string
	memberWorkers int
	image         string
	namespace     string
	leaderElect   bool
	metricsSecure bool
	checkMember   string
	level         slog.Level
	showVersion   bool
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		fmt.Fprintln(os.Stderr, "tegata-operator:", err)
		os.Exit(2)
	case o.showVersion:
		fmt.Println(version)
		return
	case o.checkMember != "":
		ctrl.SetLogger(logr.Discard())
		if err := checkMember(ctrl.SetupSignalHandler(), o.checkMember, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "tegata-operator:", err)
			os.Exit(1)
		}
		return
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: o.level}))
	ctrl.SetLogger(log)
	klog.SetLogger(log.WithName("client-go"))
	if err := run(ctrl.SetupSignalHandler(), o, log); err != nil {
		log.Error(err, "Stopped")
		os.Exit(1)
	}
}

// define adds the operator's flags to the set.
func (o *options) define(flags *flag.FlagSet) {
	flags.StringVar(&o.dataDirectory, "data-dir", "", "`directory` for the SQLite files of embedded identity servers (required without --leader-elect; without it no server is embedded)")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "work only while holding the lease in --namespace, so that several replicas can stand by")
	flags.StringVar(&o.metrics, "metrics-bind-address", "0", "`address` to serve Prometheus metrics on; 0 serves none")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", false, "serve metrics by TLS, to those only whose token may get /metrics")
	flags.StringVar(&o.probes, "health-probe-bind-address", ":8081", "`address` to serve /healthz and /readyz on; 0 serves none")
	flags.StringVar(&o.image, "idp-image", "", "`image` of identity servers in pods whose spec names none")
	flags.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "`namespace` this operator runs in; only its pods may reach the servers' admin API (default $POD_NAMESPACE)")
	flags.IntVar(&o.memberWorkers, "member-workers", 32, "how many members are worked on at once")
	flags.TextVar(&o.level, "log-level", slog.LevelInfo, "`level` of the log: debug, info, warn or error")
	flags.StringVar(&o.checkMember, "check-member", "", "reset the password of this `namespace/name`, log in as it once through its server's Service, and exit: what helm test does")
	flags.BoolVar(&o.showVersion, "version", false, "print the version and exit")
}

// parse reads the flags. --kubeconfig is controller-runtime's.
func parse(arguments []string, errOut io.Writer) (options, error) {
	var o options
	flags := flag.CommandLine
	flags.Init("tegata-operator", flag.ContinueOnError)
	flags.SetOutput(errOut)
	o.define(flags)
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: everything is set by flags, see --help", flags.Arg(0))
	case o.showVersion || o.checkMember != "":
		return o, nil
	case o.leaderElect && o.namespace == "":
		return o, errors.New("--leader-elect needs --namespace: where the lease is kept")
	case o.leaderElect && o.dataDirectory != "":
		return o, errors.New("--leader-elect and --data-dir exclude each other: the files of an embedded server do not follow the lease")
	case !o.leaderElect && o.dataDirectory == "":
		return o, errors.New("--data-dir is required without --leader-elect: where SQLite files are kept")
	case o.memberWorkers < 1:
		return o, errors.New("--member-workers must be at least 1")
	}
	return o, nil
}

func run(ctx context.Context, o options, log logr.Logger) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	// The API server's priority and fairness limits us better than a fixed rate.
	config.QPS = -1
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		Logger:                  log,
		Metrics:                 metricsOptions(o),
		HealthProbeBindAddress:  o.probes,
		LeaderElection:          o.leaderElect,
		LeaderElectionID:        leaseName,
		LeaderElectionNamespace: o.namespace,
		// The manager stops everything first, so that the next leader need not wait for the lease to run out.
		LeaderElectionReleaseOnCancel: true,
		// What nothing reads is not kept: with 10,000 members it is most of the memory.
		Cache: cache.Options{DefaultTransform: controllers.SlimObject, ByObject: controllers.OnlyOurs()},
		// Secrets and ConfigMaps are read when needed and watched by metadata only.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
	})
	if err != nil {
		return err
	}
	launcher := embedded.NewLauncher(embedded.Options{
		DataDirectory: o.dataDirectory, Version: version, Log: log.WithName("idp"), Registerer: metrics.Registry,
	})
	if err := mgr.Add(launcher); err != nil {
		return err
	}
	pods := deployed.NewLauncher(mgr.GetClient(), mgr.GetAPIReader(), deployed.Options{Image: o.image, Version: version, OperatorNamespace: o.namespace})
	if err := controllers.SetupWithManager(ctx, mgr, controllers.Options{Embedded: launcher, Deployed: pods, MemberWorkers: o.memberWorkers}); err != nil {
		return err
	}
	for _, collector := range []prometheus.Collector{certificateCollector{mgr.GetClient(), log}, deletionCollector{mgr.GetClient(), log}, metadataCollector{mgr.GetClient(), log}, targetCollector{mgr.GetClient(), log}} {
		if err := metrics.Registry.Register(collector); err != nil {
			return err
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// newScheme knows the cluster's own kinds and ours.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}
