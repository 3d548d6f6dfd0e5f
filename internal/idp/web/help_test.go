/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// licensed publishes the tenant with a number of licenses.
func (w *world) licensed(licenses int) {
	w.t.Helper()
	key, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenantSlug}, Tenant: &admin.Tenant{SigningKey: key, Tenant: directory.Tenant{
		Slug: tenantSlug, DisplayName: "Acme 株式会社", TimeZone: "Asia/Tokyo", Language: "en", Plan: directory.PlanPlus, Licenses: licenses}}})
}

func TestHelp(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.Expect(b.get("/help").path()).To(Equal("/login"), "the manual is for members")
	w.addMember("hanako")
	for _, role := range []directory.Role{directory.RoleStaff, directory.RoleGroupCreator} {
		w.apply(member("hanako", func(m *admin.Member) { m.Role = role }))
		b = w.browser()
		home := b.logIn(hanako, goodPassword)
		w.Expect(home.links()).To(And(ContainElement("/help"), Not(ContainElement("/help#administration"))))
		manual := b.get("/help")
		w.Expect(manual.status).To(Equal(http.StatusOK))
		w.Expect(manual.text()).To(And(ContainSubstring("forgotten"), ContainSubstring("At least 8 characters"), ContainSubstring("suspended")))
		w.Expect(manual.body).NotTo(Or(ContainSubstring("Administration"), ContainSubstring("kubectl"), ContainSubstring("acme-tenant")))
	}
}

func TestHelpForAdministrators(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	w.apply(member("hanako", func(m *admin.Member) { m.Role = directory.RoleSuperAdmin }), member("taro", nil))
	b := w.browser()
	w.Expect(b.logIn(hanako, goodPassword).links()).To(ContainElement("/help#administration"))
	manual := b.get("/help")
	w.Expect(manual.text()).To(And(
		ContainSubstring("Tenant default/acme-tenant Members 2 "),
		ContainSubstring("kubectl get members -n default"),
		ContainSubstring("kubectl get tegata -n default"),
		ContainSubstring(`kubectl patch member NAME -n default --type merge -p '{"spec":{"suspended":true}}'`),
		ContainSubstring(`kubectl annotate member NAME -n default identity.tegata.dev/reset-password="$(date -Iseconds)" --overwrite`),
	))
	w.Expect(manual.header.Get("Content-Security-Policy")).NotTo(ContainSubstring("script-src"))

	w.apply(member("hanako", func(m *admin.Member) { m.Role, m.Language = directory.RoleSuperAdmin, "ja" }))
	w.Expect(b.get("/help").text()).To(And(ContainSubstring("マニュアル"), ContainSubstring("管理"), ContainSubstring("メンバー数 2")))
	w.apply(member("hanako", nil))
	w.Expect(b.get("/help").text()).NotTo(ContainSubstring("kubectl"), "a role that is taken away counts at once")
}

func TestHelpTellsLicenses(t *testing.T) {
	w := newWorld(t)
	w.licensed(50)
	w.addMember("hanako")
	w.apply(member("hanako", func(m *admin.Member) { m.Role = directory.RoleSuperAdmin }))
	b := w.browser()
	b.logIn(hanako, goodPassword)
	w.Expect(b.get("/help").text()).To(ContainSubstring("Members 1 of at most 50"))
}

// links are where the page's links go.
func (p *page) links() []string {
	var links []string
	for node := range p.root.Descendants() {
		if node.Data == "a" {
			links = append(links, attribute(node, "href"))
		}
	}
	return links
}
