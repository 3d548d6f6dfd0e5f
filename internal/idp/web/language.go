/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/text/language"
)

// languages are the ones the pages speak; the first is for whoever asks for neither.
var languages = []string{"en", "ja"}

var languageMatcher = language.NewMatcher([]language.Tag{language.English, language.Japanese})

//go:embed messages/*.json
var messageFiles embed.FS

// catalogue is key → text by language. Texts are formats of package fmt.
type catalogue map[string]map[string]string

func loadCatalogue() (catalogue, error) {
	all := catalogue{}
	for _, name := range languages {
		body, err := messageFiles.ReadFile("messages/" + name + ".json")
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(body, &texts); err != nil {
			return nil, fmt.Errorf("parse messages/%s.json: %w", name, err)
		}
		all[name] = texts
	}
	return all, nil
}

// text translates; a key that has no text shows itself, which tests forbid.
func (c catalogue) text(language, key string, arguments ...any) string {
	format, ok := c[language][key]
	if !ok {
		return key
	}
	if len(arguments) == 0 {
		return format
	}
	return fmt.Sprintf(format, arguments...)
}

// matchLanguage finds which of ours a tag or an Accept-Language list asks for.
func matchLanguage(list string) (string, bool) {
	if slices.Contains(languages, list) {
		return list, true
	}
	tags, _, err := language.ParseAcceptLanguage(list)
	if err != nil || len(tags) == 0 {
		return "", false
	}
	_, index, confidence := languageMatcher.Match(tags...)
	return languages[index], confidence > language.No
}

// guestLanguage is the language of somebody not known yet: what was chosen by
// the switch, now or before, else what the browser asks for.
func (s *Site) guestLanguage(r *http.Request) string {
	for _, wish := range []string{r.URL.Query().Get("lang"), s.readCookie(r, languageCookie), r.Header.Get("Accept-Language")} {
		if known, ok := matchLanguage(wish); ok {
			return known
		}
	}
	return languages[0]
}

// rememberLanguage keeps what the switch chose.
func (v *visit) rememberLanguage() {
	if known, ok := matchLanguage(v.r.URL.Query().Get("lang")); ok {
		const year = 365 * 24 * 60 * 60
		v.site.setCookie(v.w, languageCookie, known, year)
	}
}
