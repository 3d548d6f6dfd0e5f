/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
)

type portalBody struct {
	Greeting string
	Tiles    []tile
}

type tile struct {
	Name, URL string
	// Icon is an address, or empty: then Initials stand on a ground of Tone, 0 to 5.
	Icon, Initials string
	Tone           int
}

const tones = 6

// portal shows the apps that the member may use and that are visible (O2.3).
func (s *Site) portal(v *visit) error {
	if ok, err := v.requireSession(); !ok {
		return err
	}
	tenant, err := v.readTenant(v.account.Tenant)
	if err != nil {
		return fmt.Errorf("read tenant: %w", err)
	}
	groups := directory.GroupsOf(v.account.Member, tenant.Groups)
	body := portalBody{Greeting: v.account.Person.Display(v.account.Language)}
	for _, app := range tenant.Apps {
		if app.Visible && directory.CanUse(v.account.Member, groups, app) {
			body.Tiles = append(body.Tiles, newTile(tenant, app))
		}
	}
	return v.render(http.StatusOK, "portal", v.text("portal.title"), body)
}

func newTile(tenant *store.Tenant, app directory.App) tile {
	t := tile{Name: app.DisplayName, URL: app.URL, Initials: initials(app.DisplayName)}
	if startsHere(app) {
		t.URL = "/saml/" + url.PathEscape(tenant.Slug) + "/apps/" + url.PathEscape(app.Name)
	}
	if app.Icon != nil {
		// The revision in the address lets browsers keep an icon and see a new one at once.
		t.Icon = "/images/" + url.PathEscape(tenant.Slug) + "/app/" + string(app.Kind) + "/" + url.PathEscape(app.Name) +
			"?revision=" + strconv.FormatInt(tenant.Revision, 10)
	}
	hash := fnv.New32a()
	// A hash never fails to be written.
	_, _ = hash.Write([]byte(app.Name))
	t.Tone = int(hash.Sum32() % tones)
	return t
}

// startsHere reports whether a log-in to the app starts at the IdP (O6.2).
func startsHere(app directory.App) bool {
	return app.SAML != nil && (app.SAML.Flow == directory.FlowIdPInitiated || app.URL == "")
}

// initials are the first letters of the first two words, or the first
// character where the script has no capitals to tell words by.
func initials(name string) string {
	var letters []rune
	for _, word := range strings.Fields(name) {
		first := []rune(word)[0]
		if len(letters) > 0 && !unicode.IsUpper(unicode.ToUpper(first)) && !unicode.IsDigit(first) {
			break
		}
		letters = append(letters, unicode.ToUpper(first))
		if len(letters) == 2 || !unicode.IsUpper(letters[0]) {
			break
		}
	}
	return string(letters)
}

// appIcon serves an app's icon to members of its tenant. The bytes come from
// an administrator, so browsers must treat them as an image and nothing else.
func (s *Site) appIcon(v *visit) error {
	if err := v.authenticate(); err != nil {
		return err
	}
	kind := admin.Kind(v.r.PathValue("kind"))
	if v.session == nil || v.session.Tenant != v.r.PathValue("tenant") || (kind != admin.KindSAMLApp && kind != admin.KindLinkApp) {
		return errPageNotFound
	}
	icon, err := s.Store.Image(v.context(), v.session.Tenant, kind, v.r.PathValue("name"))
	if errors.Is(err, store.ErrNotFound) {
		return errPageNotFound
	}
	if err != nil {
		return fmt.Errorf("read icon: %w", err)
	}
	header := v.w.Header()
	header.Set("Content-Type", icon.ContentType)
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "private, max-age=86400")
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(icon.Data))
	return nil
}
