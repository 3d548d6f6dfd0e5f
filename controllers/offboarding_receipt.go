/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
)

// receiptName is the name of a member's Offboarding: one for each deletion, as
// no other object of the member's name has its UID.
func receiptName(member *v1alpha1.Member) string {
	sum := sha256.Sum256([]byte(member.UID))
	return derivedName(member.Name, "-"+hex.EncodeToString(sum[:5]))
}

// ensureReceipt makes the Offboarding of a member that is being deleted, before
// the IdP is told. It outlives the member and belongs to nobody. Nothing about
// it keeps a deletion from being carried out: where it cannot be made, as in a
// namespace that ends, the audit log alone tells of the deletion, and false is
// returned. An error is worth another try.
func (k *members) ensureReceipt(ctx context.Context, member *v1alpha1.Member) (bool, error) {
	if namespaceEnds(ctx, k.Client, member.Namespace) {
		return false, nil
	}
	name := client.ObjectKey{Namespace: member.Namespace, Name: receiptName(member)}
	if err := k.Get(ctx, name, &v1alpha1.Offboarding{}); err == nil {
		return true, nil
	}
	err := k.Create(ctx, newReceipt(member))
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return true, nil
	case refusedForGood(err):
		logf.FromContext(ctx).Info("No Offboarding tells of the deletion, as it could not be made", "error", err.Error())
		return false, nil
	}
	return false, fmt.Errorf("the Offboarding could not be made: %w", err)
}

// refusedForGood reports whether the API server's refusal to make an object will
// stay: the namespace ends, a quota or a policy is against it.
func refusedForGood(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) || meta.IsNoMatchError(err)
}

func newReceipt(member *v1alpha1.Member) *v1alpha1.Offboarding {
	spec := member.Spec
	person := directory.PersonName{Family: spec.Name.Family, Given: spec.Name.Given}
	return &v1alpha1.Offboarding{
		ObjectMeta: metav1.ObjectMeta{Namespace: member.Namespace, Name: receiptName(member)},
		Spec: v1alpha1.OffboardingSpec{
			TenantRef:   spec.TenantRef,
			MemberRef:   v1alpha1.MemberReference{Name: member.Name},
			MemberID:    member.Status.ID,
			Mail:        spec.Mail,
			DisplayName: cut(person.Display(string(cmp.Or(spec.Language, defaultLanguage))), maxDisplayName),
			RequestedAt: *member.DeletionTimestamp,
		},
	}
}

// maxDisplayName is the schema's bound, in characters.
const maxDisplayName = 255

// cut is the text's beginning of at most so many characters.
func cut(text string, limit int) string {
	if characters := []rune(text); len(characters) > limit {
		return string(characters[:limit])
	}
	return text
}

// releasedAnnotation marks the receipt of a member that was let go and was not
// live any more: the whole tenant was offline, or its server is gone.
const releasedAnnotation = "identity.tegata.dev/released"

// note writes into the receipt how the member ended in the IdP: shut out at that
// time, or, where it is zero, not live any more. The controller of receipts sees
// to all the rest.
func (k *members) note(ctx context.Context, member *v1alpha1.Member, blockedAt time.Time) error {
	receipt := &v1alpha1.Offboarding{ObjectMeta: metav1.ObjectMeta{Namespace: member.Namespace, Name: receiptName(member)}}
	var err error
	if blockedAt.IsZero() {
		body := fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, releasedAnnotation)
		err = k.Patch(ctx, receipt, client.RawPatch(types.MergePatchType, []byte(body)))
	} else {
		body := fmt.Sprintf(`{"status":{"signInBlockedAt":%q}}`, blockedAt.UTC().Format(time.RFC3339))
		err = k.Status().Patch(ctx, receipt, client.RawPatch(types.MergePatchType, []byte(body)))
	}
	if err == nil || refusedForGood(err) {
		return nil
	}
	return fmt.Errorf("the Offboarding could not be written: %w", err)
}
