/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"

	"tegata.dev/tegata/api/v1alpha1"
)

const fewManifests = `
apiVersion: identity.tegata.dev/v1alpha1
kind: Member
metadata: {name: taro}
spec: {mail: taro@acme.example}
---
apiVersion: v1
kind: List
items:
  - apiVersion: identity.tegata.dev/v1alpha1
    kind: Group
    metadata: {name: it, namespace: other}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: icons}}
---
apiVersion: v1
kind: Secret
metadata: {name: chat}
stringData: {token: very-secret}
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: unrelated}
`

func TestReadManifests(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	g.Expect(os.MkdirAll(filepath.Join(folder, "below"), 0o700)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(folder, "few.yaml"), []byte(fewManifests), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(folder, "below", "member.yaml"), []byte("apiVersion: identity.tegata.dev/v1alpha1\nkind: Member\nmetadata: {name: hanako}\n"), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(folder, "below", "kustomization.yaml"), []byte("resources: [member.yaml]\nnameSuffix: -x\n"), 0o600)).To(Succeed())
	names := func(found *manifests) []string {
		var all []string
		for _, object := range found.objects {
			all = append(all, keyOf(object))
		}
		return all
	}

	found, err := readManifests(resource.FilenameOptions{Filenames: []string{folder}}, nil, "acme")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(names(found)).To(Equal([]string{"Member acme/taro", "Group other/it"}))
	g.Expect(found.ignored).To(Equal(4))
	g.Expect(found.namespaces).To(HaveKey("other"))
	g.Expect(found.around).To(HaveLen(2))
	g.Expect(found.around[1].(*corev1.Secret).Data).To(HaveKeyWithValue("token", []byte("very-secret")))

	found, err = readManifests(resource.FilenameOptions{Kustomize: filepath.Join(folder, "below")}, nil, "acme")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(names(found)).To(Equal([]string{"Member acme/hanako-x"}))
	found, err = readManifests(resource.FilenameOptions{Filenames: []string{"-"}}, strings.NewReader(fewManifests), "acme")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(names(found)).To(HaveLen(2))
	_, err = readManifests(resource.FilenameOptions{Filenames: []string{"-"}}, strings.NewReader(fewManifests+"---\n"+fewManifests), "acme")
	g.Expect(err).To(MatchError("Member acme/taro is declared twice"))
	_, err = readManifests(resource.FilenameOptions{Filenames: []string{"-"}}, strings.NewReader("{]"), "acme")
	g.Expect(err).To(HaveOccurred())
}

func TestApplierOf(t *testing.T) {
	g := NewWithT(t)
	managed := func(entries ...metav1.ManagedFieldsEntry) *v1alpha1.Member {
		return &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{ManagedFields: entries}}
	}
	by := func(manager string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationApply}
	}
	g.Expect(applierOf(managed())).To(BeEmpty())
	g.Expect(applierOf(managed(metav1.ManagedFieldsEntry{Manager: "tegata-operator", Operation: metav1.ManagedFieldsOperationUpdate}))).To(BeEmpty())
	g.Expect(applierOf(managed(by("kubectl"), by("argocd-controller")))).To(Equal("argocd-controller"))
	g.Expect(applierOf(managed(by("b"), by("a")))).To(Equal("a"))
}

func TestThreeWay(t *testing.T) {
	g := NewWithT(t)
	live := &v1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Name: "taro", Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: `{"metadata":{"name":"taro"},"spec":{"mail":"a@acme.example","phone":"03"}}`,
		}},
		Spec: v1alpha1.MemberSpec{Mail: "a@acme.example", Phone: "03", TimeZone: "Asia/Tokyo"},
	}
	patch, _, err := threeWay([]byte(`{"metadata":{"name":"taro"},"spec":{"mail":"b@acme.example"}}`), live)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(patch).To(MatchJSON(`{"spec":{"mail":"b@acme.example","phone":null}}`), "what others set stays, what is declared no more goes")
}

func TestFlags(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		code      int
		says      string
	}{
		"nothing":    {[]string{"plan"}, 1, "name the manifests with -f or -k"},
		"output":     {[]string{"plan", "-f", "x", "-o", "yaml"}, 1, `output "yaml" is none of`},
		"selector":   {[]string{"plan", "-f", "x", "-l", "a=b"}, 1, "--selector serves --prune only"},
		"bad":        {[]string{"plan", "-f", "x", "--prune", "-l", "a=b=c"}, 1, "--selector: "},
		"argument":   {[]string{"plan", "x"}, 1, "unknown command"},
		"missing":    {[]string{"plan", "-f", "/does/not/exist"}, 1, "/does/not/exist"},
		"help":       {[]string{"plan", "--help"}, 0, "Exit codes"},
		"completion": {[]string{"__complete", "plan", "-o", ""}, 0, "markdown"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			said := &bytes.Buffer{}
			code := run(context.Background(), test.arguments, genericiooptions.IOStreams{In: strings.NewReader(""), Out: said, ErrOut: said})
			g.Expect(said.String()).To(ContainSubstring(test.says))
			g.Expect(code).To(Equal(test.code))
		})
	}
}
