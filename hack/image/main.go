/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command image packs static programs into OCI images and pushes them, without a container engine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const usage = `usage:
  image build --name NAME --version VERSION [flags] ARCHITECTURE=PROGRAM...
  image push --registry REGISTRY --version VERSION --directory DIRECTORY NAME...
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	if len(arguments) == 0 {
		return errors.New(usage)
	}
	switch command, rest := arguments[0], arguments[1:]; command {
	case "build":
		return runBuild(rest, out)
	case "push":
		return runPush(ctx, rest, out)
	default:
		return fmt.Errorf("unknown command %q\n%s", command, usage)
	}
}

func runBuild(arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	name := flags.String("name", "", "`name` of the image and of the program in it")
	version := flags.String("version", "", "`version`, which is also the tag")
	revision := flags.String("revision", "", "`commit` that the program was built from")
	description := flags.String("description", "", "`sentence` that says what it is")
	created := flags.Int64("created", 0, "time of the commit in `seconds` since 1970")
	directory := flags.String("directory", ".", "`directory` to write NAME.tar, NAME.digest, NAME.reference and NAME.ARCHITECTURE.spdx.json into")
	prefix := flags.String("prefix", "localhost", "what stands before the `name` in the archive's reference")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	binaries, err := parseBinaries(flags.Args())
	if err != nil {
		return err
	}
	if *name == "" || *version == "" {
		return errors.New("--name and --version are required")
	}
	s := specification{name: *name, binaries: binaries, created: time.Unix(*created, 0).UTC(), labels: map[string]string{
		"org.opencontainers.image.title":       *name,
		"org.opencontainers.image.description": *description,
		"org.opencontainers.image.version":     *version,
		"org.opencontainers.image.revision":    *revision,
		"org.opencontainers.image.created":     time.Unix(*created, 0).UTC().Format(time.RFC3339),
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.vendor":      "The Tegata Authors",
	}}
	return build(s, *directory, inRegistry(*prefix, *name, *version), *version, out)
}

// parseBinaries reads ARCHITECTURE=PROGRAM.
func parseBinaries(arguments []string) ([]binary, error) {
	if len(arguments) == 0 {
		return nil, errors.New("no program given (ARCHITECTURE=PROGRAM)")
	}
	var binaries []binary
	for _, argument := range arguments {
		architecture, path, ok := strings.Cut(argument, "=")
		if !ok || architecture == "" || path == "" {
			return nil, fmt.Errorf("%q is not ARCHITECTURE=PROGRAM", argument)
		}
		binaries = append(binaries, binary{architecture: architecture, path: path})
	}
	return binaries, nil
}

func build(s specification, directory, reference, version string, out io.Writer) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	for _, b := range s.binaries {
		bom, err := billOfMaterials(s.name, version, b.path, s.created)
		if err != nil {
			return err
		}
		if err := os.WriteFile(bomPath(directory, s.name, b.architecture), bom, 0o644); err != nil {
			return err
		}
	}
	index, err := buildIndex(s)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	path := filepath.Join(directory, s.name)
	if err := writeArchive(path+".tar", reference, index); err != nil {
		return err
	}
	if err := os.WriteFile(path+".reference", []byte(reference+"\n"), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(path+".digest", []byte(digest.String()+"\n"), 0o644); err != nil {
		return err
	}
	stat, err := os.Stat(path + ".tar")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s %s %.1f MB %s.tar\n", reference, digest, float64(stat.Size())/1e6, path)
	return nil
}

func runPush(ctx context.Context, arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	registry := flags.String("registry", "", "`registry` and path to push below, such as registry.example/team")
	version := flags.String("version", "", "`version`, which is the tag")
	directory := flags.String("directory", ".", "`directory` that holds what build wrote")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *registry == "" || *version == "" || flags.NArg() == 0 {
		return errors.New("--registry, --version and at least one name are required")
	}
	for _, name := range flags.Args() {
		boms, err := findBoms(*directory, name)
		if err != nil {
			return err
		}
		pushed, err := push(ctx, filepath.Join(*directory, name+".tar"), inRegistry(*registry, name, *version), boms)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, pushed)
	}
	return nil
}

func bomPath(directory, name, architecture string) string {
	return filepath.Join(directory, name+"."+architecture+".spdx.json")
}

// findBoms maps architectures to the bills of materials that build wrote.
func findBoms(directory, name string) (map[string]string, error) {
	paths, err := filepath.Glob(bomPath(directory, name, "*"))
	if err != nil {
		return nil, err
	}
	boms := make(map[string]string)
	for _, path := range paths {
		architecture := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), name+"."), ".spdx.json")
		boms[architecture] = path
	}
	return boms, nil
}
