/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"fmt"
	"net/http"
	"strings"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
)

type helpBody struct {
	// Administration is nil for all but super administrators.
	Administration *administration
}

// administration is where the member's company is declared.
type administration struct {
	// Namespace and Name are of the Tenant object.
	Namespace, Name string
	// Licenses is the most members there may be; 0 is no limit.
	Members, Licenses int
}

// help shows the manual, and to super administrators the way to
// administration (O2.3).
func (s *Site) help(v *visit) error {
	if ok, err := v.requireSession(); !ok {
		return err
	}
	body := helpBody{}
	if administers(v.account) {
		var err error
		if body.Administration, err = v.administration(); err != nil {
			return err
		}
	}
	return v.render(http.StatusOK, "help", v.text("help.title"), body)
}

func administers(account *store.Account) bool { return account.Role == directory.RoleSuperAdmin }

func (v *visit) administration() (*administration, error) {
	tenant, err := v.readTenant(v.account.Tenant)
	if err != nil {
		return nil, fmt.Errorf("read tenant: %w", err)
	}
	members, err := v.site.Store.CountMembers(v.context(), tenant.Slug)
	if err != nil {
		return nil, fmt.Errorf("count members: %w", err)
	}
	namespace, name, _ := strings.Cut(tenant.Owner, "/")
	return &administration{Namespace: namespace, Name: name, Members: members, Licenses: tenant.Licenses}, nil
}
