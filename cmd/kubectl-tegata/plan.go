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
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
)

// planTimeout bounds a plan, so that a service that hangs does not hang a pipeline.
const planTimeout = 15 * time.Minute

// planOptions are the flags of plan.
type planOptions struct {
	config    *genericclioptions.ConfigFlags
	streams   genericiooptions.IOStreams
	files     resource.FilenameOptions
	prune     bool
	selector  string
	output    string
	maxLines  int
	exitCode  bool
	offline   bool
	changed   bool
	services  func(controllers.ServiceOptions) (provision.Target, error)
	timeLimit time.Duration
}

func newPlanCommand(config *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	o := &planOptions{config: config, streams: streams, timeLimit: planTimeout}
	command := &cobra.Command{
		Use:   "plan (-f FILE|DIR|- | -k DIR)",
		Short: "Tell what manifests would change, and change nothing",
		Long: `Tell what manifests would change: in the directory, for people, and for the
accounts, the groups and the log-in of a domain in the service of each
ProvisioningTarget. Nothing is written, neither to the API server, which is asked
by dry run, nor to a service, which is only read.

Exit codes: 0 on success, 1 on an error or a manifest that the API server refuses.
With --exit-code: 0 where nothing would change, 2 where something would, 1 on an error.`,
		Example: `  kubectl tegata plan -f identities/ -R
  kubectl tegata plan -k overlays/production --prune -l team=it -o markdown
  kustomize build . | kubectl tegata plan -f - --exit-code`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command.Context()) },
	}
	flags := command.Flags()
	flags.StringSliceVarP(&o.files.Filenames, "filename", "f", nil, "file, directory, URL or - with the manifests")
	flags.StringVarP(&o.files.Kustomize, "kustomize", "k", "", "directory with a kustomization.yaml")
	flags.BoolVarP(&o.files.Recursive, "recursive", "R", false, "go through directories below those of -f")
	flags.BoolVar(&o.prune, "prune", false, "tell, too, of deleting what is in the manifests' namespaces and not in the manifests")
	flags.StringVarP(&o.selector, "selector", "l", "", "with --prune, only what has these labels")
	flags.StringVarP(&o.output, "output", "o", "text", "text, markdown or json")
	flags.IntVar(&o.maxLines, "max-lines", 500, "lines of text or markdown a section at most; 0 is all")
	flags.BoolVar(&o.exitCode, "exit-code", false, "end with 2 where something would change")
	flags.BoolVar(&o.changed, "ask-changed-targets", false, "ask services, too, that the manifests bring or move: their Secrets' keys are sent where the manifests say")
	flags.BoolVar(&o.offline, "offline-targets", false, "ask no service; go by what status tells of accounts")
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "markdown", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = command.MarkFlagDirname("kustomize")
	return command
}

// check refuses flags that make no sense together.
func (o *planOptions) check() (labels.Selector, error) {
	if len(o.files.Filenames) == 0 && o.files.Kustomize == "" {
		return nil, errors.New("name the manifests with -f or -k")
	}
	if !strings.Contains(" text markdown json ", " "+o.output+" ") {
		return nil, fmt.Errorf("output %q is none of text, markdown and json", o.output)
	}
	if o.selector != "" && !o.prune {
		return nil, errors.New("--selector serves --prune only")
	}
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	return selector, nil
}

func (o *planOptions) run(ctx context.Context) error {
	selector, err := o.check()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeLimit)
	defer cancel()
	namespace, _, err := o.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return err
	}
	found, err := readManifests(o.files, o.streams.In, namespace)
	if err != nil {
		return err
	}
	reader, err := o.connect(namespace)
	if err != nil {
		return err
	}
	made, err := o.plan(ctx, reader, found, selector)
	if err != nil {
		return err
	}
	if err := o.write(*made); err != nil {
		return err
	}
	switch rejected := made.Rejected(); {
	case rejected > 0:
		return fmt.Errorf("the API server refuses %d of the manifests", rejected)
	case o.exitCode && !made.Empty():
		return errChanges
	}
	return nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

func (o *planOptions) connect(namespace string) (*cluster, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	config, err := o.config.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS, config.UserAgent = -1, "kubectl-tegata/"+version
	k8s, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	return &cluster{client: k8s, scheme: scheme, namespace: namespace}, nil
}

// plan makes the plan of manifests.
func (o *planOptions) plan(ctx context.Context, c *cluster, found *manifests, selector labels.Selector) (*plan.Plan, error) {
	change, err := c.compare(ctx, found, o.prune, selector)
	if err != nil {
		return nil, err
	}
	directories, err := newDirectories(ctx)
	if err != nil {
		return nil, err
	}
	made, err := controllers.Plan(ctx, change.input, controllers.PlanOptions{
		Scheme: c.scheme, Below: c.client, Directory: directories.open, Services: o.services, Offline: o.offline, AskChanged: o.changed,
	})
	if err = errors.Join(err, directories.close()); err != nil {
		return nil, err
	}
	made.Objects, made.Ignored = change.objects, found.ignored
	made.Remarks = append(made.Remarks, change.remarks...)
	made.Sort()
	return made, nil
}

func (o *planOptions) write(made plan.Plan) error {
	switch o.output {
	case "json":
		return made.JSON(o.streams.Out)
	case "markdown":
		return made.Markdown(o.streams.Out, o.maxLines)
	}
	return made.Text(o.streams.Out, o.maxLines)
}

// directories are those of identity servers in which changes are tried, in files
// that nobody else reads and that go with the plan.
type directories struct {
	ctx    context.Context
	folder string
	stores []*store.Store
}

func newDirectories(ctx context.Context) (*directories, error) {
	folder, err := os.MkdirTemp("", "kubectl-tegata-")
	return &directories{ctx: ctx, folder: folder}, err
}

func (d *directories) open(now func() time.Time) (admin.Service, error) {
	key := make([]byte, 32)
	if _, err := io.ReadFull(rand.Reader, key); err != nil {
		return nil, err
	}
	opened, err := store.Open(d.ctx, store.Options{SQLitePath: filepath.Join(d.folder, fmt.Sprintf("%d.db", len(d.stores))), Key: key, Now: now})
	if err != nil {
		return nil, err
	}
	d.stores = append(d.stores, opened)
	return opened, nil
}

func (d *directories) close() error {
	var failures []error
	for _, opened := range d.stores {
		failures = append(failures, opened.Close())
	}
	return errors.Join(append(failures, os.RemoveAll(d.folder))...)
}
