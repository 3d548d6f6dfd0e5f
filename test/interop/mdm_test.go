/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/mdm"
	"tegata.dev/tegata/internal/provision/scim"
)

// TestMDMBySCIM: users of an MDM have its words for their roles (O7.3), in a
// service that others wrote, by PATCH and by PUT.
func TestMDMBySCIM(t *testing.T) {
	for name, test := range map[string]struct {
		updates string
		change  func(*scim.Options)
		path    string
	}{
		"roles, PATCH":           {scim.Patch, func(*scim.Options) {}, "roles[primary eq true].value"},
		"roles, PUT":             {scim.Put, func(*scim.Options) {}, "roles[primary eq true].value"},
		"another attribute, PUT": {scim.Put, toUserType, "userType"},
		"another attribute":      {"", toUserType, "userType"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			target := mdm.SCIM{Target: newSCIM(t, startSCIM(t, true), func(o *scim.Options) {
				o.Updates, o.Roles = test.updates, mdm.Words()
				test.change(o)
			})}
			_, err := target.Check(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			subject := scimSubject(1)
			keep := func(current *provision.Account) *provision.Account {
				desired, err := target.Desire(subject)
				g.Expect(err).NotTo(HaveOccurred())
				if current == nil {
					current, err = target.Create(t.Context(), desired)
				} else {
					current, err = target.Update(t.Context(), *current, desired)
				}
				g.Expect(err).NotTo(HaveOccurred())
				found, err := target.Find(t.Context(), provision.Reference{CorrelationID: subject.ID})
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(provision.Differences(*found, desired)).To(BeEmpty())
				g.Expect(found.ExternalID).To(Equal(current.ExternalID))
				return found
			}
			account := keep(nil)
			g.Expect(account.Properties).To(HaveKeyWithValue(test.path, "general"))
			subject.Member.Role = directory.RoleSuperAdmin
			account = keep(account)
			g.Expect(account.Properties).To(HaveKeyWithValue(test.path, "administrator"))
			subject.Member.Role, subject.Member.Suspended = directory.RoleGroupCreator, true
			account = keep(account)
			g.Expect(account.Properties).To(HaveKeyWithValue(test.path, "general"))
			g.Expect(account.Active).To(BeFalse())
			for range 2 {
				g.Expect(target.Delete(t.Context(), *account)).To(Succeed())
			}
		})
	}
}

func toUserType(o *scim.Options) {
	o.Attributes = append(o.Attributes, provision.Attribute{Name: "userType", Field: "role"})
}
