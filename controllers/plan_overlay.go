/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// overlay is an API server in memory, in which controllers try out what they
// would do: whatever they write stays here. It has the field indexes of the caches.
// Of kinds that are not ours it reads what is not in it from below.
type overlay struct {
	scheme *runtime.Scheme
	// below reads ConfigMaps and Namespaces; nil for none.
	below client.Reader
	clock Clock

	mu      sync.RWMutex
	kinds   map[schema.GroupVersionKind]*overlayKind
	version int
}

var (
	_ client.Client       = (*overlay)(nil)
	_ client.FieldIndexer = (*overlay)(nil)
)

// overlayKind are the objects of one kind.
type overlayKind struct {
	objects map[types.NamespacedName]client.Object
	indexes map[string]*overlayIndex
}

// overlayIndex finds names by values.
type overlayIndex struct {
	values client.IndexerFunc
	names  map[string]map[types.NamespacedName]bool
}

func newOverlay(ctx context.Context, scheme *runtime.Scheme, below client.Reader, clock Clock) (*overlay, error) {
	o := &overlay{scheme: scheme, below: below, clock: clock, kinds: map[schema.GroupVersionKind]*overlayKind{}}
	return o, addIndexes(ctx, o)
}

func (o *overlay) kindOf(gvk schema.GroupVersionKind) *overlayKind {
	found := o.kinds[gvk]
	if found == nil {
		found = &overlayKind{objects: map[types.NamespacedName]client.Object{}, indexes: map[string]*overlayIndex{}}
		o.kinds[gvk] = found
	}
	return found
}

// IndexField implements client.FieldIndexer.
func (o *overlay) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	gvk, err := o.GroupVersionKindFor(object)
	if err == nil {
		o.kindOf(gvk).indexes[field] = &overlayIndex{values: values, names: map[string]map[types.NamespacedName]bool{}}
	}
	return err
}

// put keeps an object as it is.
func (o *overlay) put(object client.Object) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.keep(object)
}

func (o *overlay) keep(object client.Object) error {
	gvk, err := o.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	o.version++
	object.SetResourceVersion(strconv.Itoa(o.version))
	kept := object.DeepCopyObject().(client.Object)
	kept.GetObjectKind().SetGroupVersionKind(gvk)
	kind, name := o.kindOf(gvk), client.ObjectKeyFromObject(object)
	kind.drop(name)
	kind.objects[name] = kept
	for _, index := range kind.indexes {
		for _, value := range index.values(kept) {
			if index.names[value] == nil {
				index.names[value] = map[types.NamespacedName]bool{}
			}
			index.names[value][name] = true
		}
	}
	return nil
}

func (k *overlayKind) drop(name types.NamespacedName) {
	object, known := k.objects[name]
	if !known {
		return
	}
	for _, index := range k.indexes {
		for _, value := range index.values(object) {
			delete(index.names[value], name)
		}
	}
	delete(k.objects, name)
}

// Get implements client.Reader.
func (o *overlay) Get(ctx context.Context, name client.ObjectKey, into client.Object, options ...client.GetOption) error {
	gvk, err := o.GroupVersionKindFor(into)
	if err != nil {
		return err
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	kind := o.kinds[gvk]
	if kind != nil && kind.objects[name] != nil {
		return copyInto(kind.objects[name], into)
	}
	if o.below != nil && gvk.Group == corev1.GroupName && gvk.Kind != "Secret" {
		return o.below.Get(ctx, name, into, options...)
	}
	return notThere(gvk, name.Name)
}

func notThere(gvk schema.GroupVersionKind, name string) error {
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return apierrors.NewNotFound(plural.GroupResource(), name)
}

// copyInto copies an object, or its metadata, into one that a caller has.
func copyInto(from, into client.Object) error {
	if metadata, ok := into.(*metav1.PartialObjectMetadata); ok {
		body, err := json.Marshal(from)
		if err != nil {
			return err
		}
		return json.Unmarshal(body, metadata)
	}
	return assign(from.DeepCopyObject(), into)
}

// assign makes an object another one of its type.
func assign(from runtime.Object, into client.Object) error {
	source, target := reflect.ValueOf(from), reflect.ValueOf(into)
	if source.Type() != target.Type() {
		return fmt.Errorf("%T cannot be read into %T", from, into)
	}
	target.Elem().Set(source.Elem())
	return nil
}

// List implements client.Reader. Selectors of fields are those of the indexes.
func (o *overlay) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	gvk, err := o.GroupVersionKindFor(list)
	if err != nil {
		return err
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	asked := client.ListOptions{}
	asked.ApplyOptions(options)
	o.mu.RLock()
	defer o.mu.RUnlock()
	kind := o.kinds[gvk]
	if kind == nil {
		return meta.SetList(list, nil)
	}
	names, err := kind.namesFor(asked)
	if err != nil {
		return err
	}
	var items []runtime.Object
	for _, name := range names {
		object := kind.objects[name]
		switch {
		case asked.Namespace != "" && name.Namespace != asked.Namespace:
		case asked.LabelSelector != nil && !asked.LabelSelector.Matches(labels.Set(object.GetLabels())):
		case asked.UnsafeDisableDeepCopy != nil && *asked.UnsafeDisableDeepCopy:
			items = append(items, object)
		default:
			items = append(items, object.DeepCopyObject())
		}
	}
	return meta.SetList(list, items)
}

// namesFor are the names that the indexes give, sorted.
func (k *overlayKind) namesFor(asked client.ListOptions) ([]types.NamespacedName, error) {
	found := map[types.NamespacedName]bool{}
	if asked.FieldSelector == nil || asked.FieldSelector.Empty() {
		for name := range k.objects {
			found[name] = true
		}
	} else {
		for i, requirement := range asked.FieldSelector.Requirements() {
			index := k.indexes[requirement.Field]
			if index == nil {
				return nil, fmt.Errorf("there is no index of %s", requirement.Field)
			}
			if i == 0 {
				maps.Copy(found, index.names[requirement.Value])
			}
			maps.DeleteFunc(found, func(name types.NamespacedName, _ bool) bool { return !index.names[requirement.Value][name] })
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b types.NamespacedName) int {
		return strings.Compare(a.String(), b.String())
	}), nil
}

// Create implements client.Writer.
func (o *overlay) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	gvk, err := o.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	if _, exists := o.kindOf(gvk).objects[client.ObjectKeyFromObject(object)]; exists {
		plural, _ := meta.UnsafeGuessKindToResource(gvk)
		return apierrors.NewAlreadyExists(plural.GroupResource(), object.GetName())
	}
	object.SetUID(types.UID(fmt.Sprintf("planned-%d", o.version+1)))
	object.SetCreationTimestamp(metav1.NewTime(o.clock()))
	return o.keep(object)
}

// Delete implements client.Writer: what has finalizers waits for them.
func (o *overlay) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.remove(object)
}

func (o *overlay) remove(object client.Object) error {
	gvk, err := o.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	kind, name := o.kindOf(gvk), client.ObjectKeyFromObject(object)
	known := kind.objects[name]
	switch {
	case known == nil:
		return notThere(gvk, name.Name)
	case len(known.GetFinalizers()) == 0:
		kind.drop(name)
		return nil
	case !known.GetDeletionTimestamp().IsZero():
		return nil
	}
	leaving := known.DeepCopyObject().(client.Object)
	now := metav1.NewTime(o.clock())
	leaving.SetDeletionTimestamp(&now)
	return o.keep(leaving)
}

// Update implements client.Writer.
func (o *overlay) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.replace(object)
}

// replace keeps an object, unless its last finalizer went while it is being deleted.
func (o *overlay) replace(object client.Object) error {
	gvk, err := o.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	kind, name := o.kindOf(gvk), client.ObjectKeyFromObject(object)
	switch {
	case kind.objects[name] == nil:
		return notThere(gvk, name.Name)
	case !object.GetDeletionTimestamp().IsZero() && len(object.GetFinalizers()) == 0:
		kind.drop(name)
		return nil
	}
	return o.keep(object)
}

// Patch implements client.Writer, for merge patches.
func (o *overlay) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return o.patch(object, patch)
}

func (o *overlay) patch(object client.Object, patch client.Patch) error {
	if patch.Type() != types.MergePatchType {
		return fmt.Errorf("patches of type %s cannot be planned", patch.Type())
	}
	body, err := patch.Data(object)
	if err != nil {
		return err
	}
	gvk, err := o.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.kindOf(gvk).objects[client.ObjectKeyFromObject(object)]
	if known == nil {
		return notThere(gvk, object.GetName())
	}
	before, err := json.Marshal(known)
	if err != nil {
		return err
	}
	merged, err := jsonpatch.MergePatch(before, body)
	if err != nil {
		return err
	}
	after, err := o.scheme.New(gvk)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(merged, after); err != nil {
		return err
	}
	patched := after.(client.Object)
	// The version that a patch demands was that of the moment.
	if err := o.replace(patched); err != nil {
		return err
	}
	return assign(patched, object)
}

// DeleteAllOf implements client.Writer.
func (o *overlay) DeleteAllOf(ctx context.Context, object client.Object, options ...client.DeleteAllOfOption) error {
	asked := client.DeleteAllOfOptions{}
	asked.ApplyOptions(options)
	gvk, err := o.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	empty, err := o.scheme.New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err != nil {
		return err
	}
	list := empty.(client.ObjectList)
	if err := o.List(ctx, list, &asked.ListOptions); err != nil {
		return err
	}
	return meta.EachListItem(list, func(item runtime.Object) error { return o.Delete(ctx, item.(client.Object)) })
}

// Apply implements client.Writer. No controller applies what is planned.
func (o *overlay) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return apierrors.NewMethodNotSupported(schema.GroupResource{}, "apply")
}

// Status implements client.StatusClient.
func (o *overlay) Status() client.SubResourceWriter { return o.SubResource("status") }

// SubResource implements client.SubResourceClientConstructor.
func (o *overlay) SubResource(string) client.SubResourceClient { return overlayStatus{o} }

// Scheme implements client.Client.
func (o *overlay) Scheme() *runtime.Scheme { return o.scheme }

// RESTMapper implements client.Client.
func (o *overlay) RESTMapper() meta.RESTMapper { return meta.NewDefaultRESTMapper(nil) }

// GroupVersionKindFor implements client.Client.
func (o *overlay) GroupVersionKindFor(object runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(object, o.scheme)
}

// IsObjectNamespaced implements client.Client.
func (o *overlay) IsObjectNamespaced(object runtime.Object) (bool, error) {
	gvk, err := o.GroupVersionKindFor(object)
	return gvk.Kind != "Namespace", err
}

// overlayStatus writes status as it writes all else.
type overlayStatus struct{ *overlay }

// Get implements client.SubResourceReader.
func (s overlayStatus) Get(context.Context, client.Object, client.Object, ...client.SubResourceGetOption) error {
	return apierrors.NewMethodNotSupported(schema.GroupResource{}, "get")
}

// Create implements client.SubResourceWriter.
func (s overlayStatus) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	return apierrors.NewMethodNotSupported(schema.GroupResource{}, "create")
}

// Update implements client.SubResourceWriter.
func (s overlayStatus) Update(ctx context.Context, object client.Object, _ ...client.SubResourceUpdateOption) error {
	return s.overlay.Update(ctx, object)
}

// Patch implements client.SubResourceWriter.
func (s overlayStatus) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.patch(object, patch)
}

// Apply implements client.SubResourceWriter.
func (s overlayStatus) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return apierrors.NewMethodNotSupported(schema.GroupResource{}, "apply")
}
