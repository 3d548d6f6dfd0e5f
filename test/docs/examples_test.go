/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package docs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
)

const crds = root + "/config/crd/bases"

// example is one object of a document.
type example struct {
	place  string
	object *unstructured.Unstructured
}

// examples are the objects of our group in the documents' yaml blocks.
func examples(t *testing.T) []example {
	t.Helper()
	var all []example
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.language != "yaml" {
				continue
			}
			place := fmt.Sprintf("%s:%d", strings.TrimPrefix(d.path, root+"/"), b.line)
			reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(b.body)))
			for {
				text, err := reader.Read()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", place, err)
				}
				object := &unstructured.Unstructured{}
				// Strict: a key given twice is an error too.
				if err := yaml.UnmarshalStrict(text, &object.Object); err != nil {
					t.Fatalf("%s: %v", place, err)
				}
				if object.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
					all = append(all, example{place, object})
				}
			}
		}
	}
	return all
}

func TestExamplesApply(t *testing.T) {
	g := NewWithT(t)
	environment := &envtest.Environment{CRDDirectoryPaths: []string{crds}, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	g.Expect(err).NotTo(HaveOccurred(), "KUBEBUILDER_ASSETS=$(hack/controlplane/build.sh) names the API server")
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop kube-apiserver: %v", err)
		}
	})
	server, err := client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())

	all := examples(t)
	g.Expect(all).NotTo(BeEmpty())
	kinds, made := map[string]bool{}, map[string]bool{"default": true}
	for _, e := range all {
		kinds[e.object.GetKind()] = true
		namespace := e.object.GetNamespace()
		if namespace == "" {
			e.object.SetNamespace("default")
		} else if !made[namespace] {
			made[namespace] = true
			g.Expect(server.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		}
		t.Run(e.place+" "+e.object.GetKind()+" "+e.object.GetName(), func(t *testing.T) {
			g := NewWithT(t)
			body, err := e.object.MarshalJSON()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(server.Patch(t.Context(), e.object, client.RawPatch(types.ApplyPatchType, body),
				client.FieldOwner("docs"), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed())
		})
	}
	for _, definition := range definitions(t) {
		g.Expect(kinds).To(HaveKey(definition.Spec.Names.Kind), "every kind has an example")
	}
}

// definitions are the custom resource definitions.
func definitions(t *testing.T) []apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	files, err := filepath.Glob(crds + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no definitions in %s: %v", crds, err)
	}
	all := make([]apiextensionsv1.CustomResourceDefinition, len(files))
	for i, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(body, &all[i]); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return all
}

// Each kind's page has the same parts and names each field of its spec.
func TestPagesOfKindsAreComplete(t *testing.T) {
	for _, definition := range definitions(t) {
		t.Run(definition.Spec.Names.Kind, func(t *testing.T) {
			g := NewWithT(t)
			body, err := os.ReadFile(filepath.Join(root, "docs/kinds", definition.Spec.Names.Singular+".md"))
			g.Expect(err).NotTo(HaveOccurred())
			page := string(body)
			for _, part := range []string{"# " + definition.Spec.Names.Kind, "\n## Example\n", "\n## Fields\n", "\n## Working with\n", "\n## Status and reasons\n", "\n## What goes wrong and what to do\n"} {
				g.Expect(page).To(ContainSubstring(part))
			}
			for _, name := range definition.Spec.Names.ShortNames {
				g.Expect(page).To(ContainSubstring("Short name `" + name + "`"))
			}
			_, fields, _ := strings.Cut(page, "\n## Fields\n")
			fields, _, _ = strings.Cut(fields, "\n## ")
			for field := range definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties {
				g.Expect(fields).To(Or(ContainSubstring("`"+field+"`"), ContainSubstring("`"+field+".")), "spec.%s", field)
			}
		})
	}
}
