/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// kinds are those that people declare.
var kinds = []string{"IdentityServer", "Tenant", "Member", "Group", "SAMLApp", "LinkApp", "ProvisioningTarget"}

// manifests are what was read from files.
type manifests struct {
	// objects are Tegata's, each with a namespace.
	objects []*unstructured.Unstructured
	// around are the ConfigMaps and Secrets beside them, and namespaces are made by them.
	around     []client.Object
	namespaces map[string]bool
	ignored    int
}

// readManifests reads files, directories, addresses, standard input or a
// kustomization. What names no namespace is in the one given.
func readManifests(files resource.FilenameOptions, in io.Reader, namespace string) (*manifests, error) {
	builder := resource.NewLocalBuilder().Unstructured().Local().ContinueOnError()
	if at := slices.Index(files.Filenames, "-"); at >= 0 && in != os.Stdin {
		files.Filenames = slices.Delete(slices.Clone(files.Filenames), at, at+1)
		builder = builder.Stream(in, "standard input")
	}
	infos, err := builder.FilenameParam(false, &files).Flatten().Do().Infos()
	if err != nil {
		return nil, fmt.Errorf("the manifests cannot be read: %w", err)
	}
	found, seen := &manifests{namespaces: map[string]bool{}}, map[string]bool{}
	for _, info := range infos {
		object, ok := info.Object.(*unstructured.Unstructured)
		if !ok {
			return nil, fmt.Errorf("%s: %T is no manifest", info.Source, info.Object)
		}
		if err := found.add(object, namespace); err != nil {
			return nil, fmt.Errorf("%s: %w", info.Source, err)
		}
	}
	for _, object := range found.objects {
		name := keyOf(object)
		if seen[name] {
			return nil, fmt.Errorf("%s is declared twice", name)
		}
		seen[name] = true
	}
	return found, nil
}

// keyOf is "Kind namespace/name".
func keyOf(object client.Object) string {
	return object.GetObjectKind().GroupVersionKind().Kind + " " + client.ObjectKeyFromObject(object).String()
}

func (m *manifests) add(object *unstructured.Unstructured, namespace string) error {
	gvk := object.GroupVersionKind()
	ours := gvk.Group == v1alpha1.GroupVersion.Group
	if object.GetName() == "" && ours {
		return fmt.Errorf("a %s has no metadata.name", gvk.Kind)
	}
	if object.GetNamespace() == "" && gvk.Kind != "Namespace" {
		object.SetNamespace(namespace)
	}
	switch {
	case ours && slices.Contains(kinds, gvk.Kind):
		m.objects = append(m.objects, object)
	case gvk == corev1.SchemeGroupVersion.WithKind("ConfigMap"):
		return m.addAround(object, &corev1.ConfigMap{})
	case gvk == corev1.SchemeGroupVersion.WithKind("Secret"):
		secret := &corev1.Secret{}
		if err := m.addAround(object, secret); err != nil {
			return fmt.Errorf("secret %s cannot be read", object.GetName()) // the cause may quote it
		}
		for name, value := range secret.StringData {
			if secret.Data == nil {
				secret.Data = map[string][]byte{}
			}
			secret.Data[name] = []byte(value)
		}
	case gvk == corev1.SchemeGroupVersion.WithKind("Namespace"):
		m.namespaces[object.GetName()] = true
		m.ignored++
	default:
		m.ignored++
	}
	return nil
}

// addAround keeps what manifests may name.
func (m *manifests) addAround(from *unstructured.Unstructured, into client.Object) error {
	m.ignored++
	m.around = append(m.around, into)
	return runtime.DefaultUnstructuredConverter.FromUnstructured(from.Object, into)
}
