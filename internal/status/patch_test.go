/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package status

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// recording remembers the patches of status.
type recording struct {
	client.SubResourceWriter
	patches []string
	err     error
}

// client is one whose status goes to the recording.
func (r *recording) client() client.Client { return statusClient{r: r} }

type statusClient struct {
	client.Client
	r *recording
}

func (c statusClient) Status() client.SubResourceWriter { return c.r }

func (r *recording) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	body, err := patch.Data(object)
	if err != nil {
		return err
	}
	if patch.Type() != types.MergePatchType {
		return errors.New("no merge patch")
	}
	r.patches = append(r.patches, string(body))
	return r.err
}

func TestPatch(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*thing)
		want   []string
	}{
		"nothing changed":       {func(*thing) {}, nil},
		"what changed, only":    {func(o *thing) { o.Status.Text = "new" }, []string{`{"status":{"text":"new"}}`}},
		"what went":             {func(o *thing) { o.Status.Text = "" }, []string{`{"status":{"text":null}}`}},
		"generation":            {func(o *thing) { o.Status.ObservedGeneration = 3 }, []string{`{"status":{"observedGeneration":3}}`}},
		"conditions as a whole": {func(o *thing) { o.Status.Conditions = o.Status.Conditions[:0] }, []string{`{"status":{"conditions":null}}`}},
		"spec is no business":   {func(o *thing) { o.Labels = map[string]string{"a": "b"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newThing()
			o.Status.Text = "old"
			snapshot, err := SnapshotOf(o)
			g.Expect(err).NotTo(HaveOccurred())
			test.change(o)
			c := &recording{}
			written, err := snapshot.Patch(t.Context(), c.client(), o)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(written).To(Equal(len(test.want) > 0))
			g.Expect(c.patches).To(Equal(test.want))
		})
	}
	t.Run("an error is told", func(t *testing.T) {
		g := NewWithT(t)
		o := newThing()
		snapshot, err := SnapshotOf(o)
		g.Expect(err).NotTo(HaveOccurred())
		o.Status.Text = "new"
		_, err = snapshot.Patch(t.Context(), (&recording{err: context.DeadlineExceeded}).client(), o)
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
	})
}

func TestSnapshotStaysAsItWas(t *testing.T) {
	g := NewWithT(t)
	o := newThing()
	report(accepted, resolved, failing("Published", UserMustAct, "Conflict")).Write(o)
	snapshot, err := SnapshotOf(o)
	g.Expect(err).NotTo(HaveOccurred())
	report(accepted, resolved, published).Write(o)
	g.Expect(snapshot.Failed()).To(BeTrue())
	g.Expect(Failed(o.GetConditions())).To(BeFalse())
	g.Expect(snapshot.Condition(Ready).Status).To(Equal(metav1.ConditionFalse))
	g.Expect(snapshot.Condition("None")).To(BeNil())
}

func TestFailed(t *testing.T) {
	for name, failed := range map[string]bool{"done": false, "waits": false, "must act": true, "retries": true} {
		o := newThing()
		report(accepted, resolved, everyOutcome[name]).Write(o)
		NewWithT(t).Expect(Failed(o.GetConditions())).To(Equal(failed), name)
	}
}
