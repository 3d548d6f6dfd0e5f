/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
)

// readObjects reads YAML files with one or more documents each.
func readObjects(files ...string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
		for {
			object := &unstructured.Unstructured{}
			err := decoder.Decode(&object.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			if len(object.Object) > 0 {
				objects = append(objects, object)
			}
		}
	}
	return objects, nil
}

// kustomized lists the files that a kustomization without transformations names.
func kustomized(directory string) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(directory, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		Resources []string `json:"resources"`
	}
	if err := sigsyaml.Unmarshal(content, &kustomization); err != nil {
		return nil, err
	}
	for i, name := range kustomization.Resources {
		kustomization.Resources[i] = filepath.Join(directory, name)
	}
	return kustomization.Resources, nil
}

// applyFiles applies every object of the files, as kubectl apply --server-side does.
func applyFiles(ctx context.Context, c client.Client, files ...string) error {
	objects, err := readObjects(files...)
	if err != nil {
		return err
	}
	for _, object := range objects {
		configuration := client.ApplyConfigurationFromUnstructured(object)
		if err := c.Apply(ctx, configuration, client.FieldOwner("demo"), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

// conditioned is an object of ours.
type conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
}

// everything lists the objects of all kinds.
func everything(ctx context.Context, c client.Client) ([]conditioned, error) {
	var objects []conditioned
	for _, list := range []client.ObjectList{
		&v1alpha1.IdentityServerList{}, &v1alpha1.TenantList{}, &v1alpha1.MemberList{},
		&v1alpha1.GroupList{}, &v1alpha1.SAMLAppList{}, &v1alpha1.LinkAppList{},
	} {
		if err := c.List(ctx, list); err != nil {
			return nil, err
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			object, ok := item.(conditioned)
			if !ok {
				return nil, fmt.Errorf("%T has no conditions", item)
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// awaitReady waits until every object is Ready and reports each as it becomes so.
func (d *demo) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	reported := map[string]bool{}
	for {
		objects, err := everything(ctx, d.client)
		if err != nil && ctx.Err() == nil {
			return err
		}
		var waiting []string
		for _, object := range objects {
			name := fmt.Sprintf("%s %s", kindOf(object), object.GetName())
			ready := meta.FindStatusCondition(object.GetConditions(), v1alpha1.ReadyCondition)
			switch {
			case ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != object.GetGeneration():
				waiting = append(waiting, explain(name, ready))
			case !reported[name]:
				reported[name] = true
				say("  Ready: %s", name)
			}
		}
		if len(objects) > 0 && len(waiting) == 0 {
			return nil
		}
		if err := d.pause(ctx, 250*time.Millisecond); err != nil {
			slices.Sort(waiting)
			return errors.Join(err, errors.New("not Ready:\n  "+strings.Join(waiting, "\n  ")))
		}
	}
}

func kindOf(object client.Object) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1alpha1.")
}

func explain(name string, ready *metav1.Condition) string {
	if ready == nil {
		return name
	}
	return fmt.Sprintf("%s: %s: %s", name, ready.Reason, ready.Message)
}
