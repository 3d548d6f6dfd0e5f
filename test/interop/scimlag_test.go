/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/scimmy"
)

// TestSCIMSearchesLag: an account that searches do not find yet is not made twice,
// though nobody heard that it was made.
func TestSCIMSearchesLag(t *testing.T) {
	g := NewWithT(t)
	service := scimmy.Start(t, scimmy.Options{Folder: ".", Token: scimToken})
	gateway := service.Lagging(t, time.Second)
	target := newSCIM(t, gateway.URL, nil)
	desired, err := target.Desire(scimSubject(1))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())

	// The client goes away while the answer is under way.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := target.Create(ctx, desired)
		ended <- err
	}()
	g.Eventually(gateway.Made, "10s", "1ms").Should(Equal(1))
	cancel()
	g.Eventually(ended).Should(Receive(HaveOccurred()))

	references := []provision.Reference{{CorrelationID: desired.CorrelationID}, {UserName: desired.UserName}}
	for _, reference := range references {
		_, err = target.Find(t.Context(), reference)
		g.Expect(provision.IsNotFound(err)).To(BeTrue())
	}
	_, err = target.Create(t.Context(), desired)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))
	for _, reference := range references {
		g.Eventually(func() error { _, err := target.Find(t.Context(), reference); return err }, "10s", "50ms").Should(Succeed())
	}
	users := service.Users(t)
	g.Expect(users).To(HaveLen(1))
	g.Expect(users[0].ExternalID).To(Equal(desired.CorrelationID))
	found, err := target.Find(t.Context(), provision.Reference{ExternalID: users[0].ID})
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(target.Disable(t.Context(), *found)).To(Succeed())
	g.Expect(gateway.Changed()).To(Equal(1))
	g.Expect(target.Delete(t.Context(), *found)).To(Succeed())
	g.Expect(gateway.Made()).To(BeZero())
	g.Expect(service.Users(t)).To(BeEmpty())
}
