/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/*
var staticFiles embed.FS

// asset is a static file under a name that holds its hash.
type asset struct {
	body        []byte
	contentType string
}

// pages are the parsed templates, by language and page name, and what they refer to.
type pages struct {
	catalogue catalogue
	templates map[string]map[string]*template.Template
	// posts are by language, and by whether they hold a RelayState.
	posts map[string]map[bool]postPage
	// assets are by hashed name; names are plain name → hashed name.
	assets map[string]asset
	names  map[string]string
}

func loadPages() (*pages, error) {
	texts, err := loadCatalogue()
	if err != nil {
		return nil, err
	}
	p := &pages{catalogue: texts, templates: map[string]map[string]*template.Template{}}
	if err := p.loadAssets(); err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	for _, language := range languages {
		p.templates[language] = map[string]*template.Template{}
		for _, file := range files {
			name := strings.TrimSuffix(path.Base(file), ".html")
			if name == "layout" {
				continue
			}
			parsed, err := template.New("layout.html").Funcs(p.functions(language)).ParseFS(templateFiles, "templates/layout.html", file)
			if err != nil {
				return nil, fmt.Errorf("parse template %s: %w", name, err)
			}
			p.templates[language][name] = parsed
		}
	}
	return p, p.loadPosts()
}

func (p *pages) loadPosts() error {
	p.posts = map[string]map[bool]postPage{}
	for _, language := range languages {
		p.posts[language] = map[bool]postPage{}
		// Without a menu: the page is gone in a blink.
		data := layout{Language: language, Title: p.catalogue.text(language, "post.title")}
		for _, relayState := range []bool{false, true} {
			page, err := newPostPage(p.templates[language]["post"], data, relayState)
			if err != nil {
				return fmt.Errorf("prepare page post: %w", err)
			}
			p.posts[language][relayState] = page
		}
	}
	return nil
}

func (p *pages) functions(language string) template.FuncMap {
	return template.FuncMap{
		"t":     func(key string, arguments ...any) string { return p.catalogue.text(language, key, arguments...) },
		"asset": func(name string) string { return "/static/" + p.names[name] },
	}
}

func (p *pages) loadAssets() error {
	p.assets, p.names = map[string]asset{}, map[string]string{}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return fmt.Errorf("list static files: %w", err)
	}
	types := map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	for _, entry := range entries {
		body, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read static file: %w", err)
		}
		extension := path.Ext(entry.Name())
		sum := sha256.Sum256(body)
		hashed := strings.TrimSuffix(entry.Name(), extension) + "." + hex.EncodeToString(sum[:8]) + extension
		p.assets[hashed] = asset{body: body, contentType: types[extension]}
		p.names[entry.Name()] = hashed
	}
	return nil
}

// static serves a file whose name holds its hash, so that it never changes.
func (s *Site) static(v *visit) error {
	file, ok := s.pages.assets[v.r.PathValue("file")]
	if !ok {
		return errPageNotFound
	}
	header := v.w.Header()
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Type", file.contentType)
	_, err := v.w.Write(file.body)
	return err
}

// layout is what every page gets.
type layout struct {
	Language, Title, CSRF string
	// Member is nil on pages for guests.
	Member *memberMenu
	Body   any
}

type memberMenu struct {
	Name, Tenant string
	// Administers shows the way to administration.
	Administers bool
}

// render answers with a page. Nothing is sent before all of it is made.
func (v *visit) render(status int, name, title string, body any) error {
	token := ""
	if !v.bare {
		var err error
		if token, err = v.csrf(); err != nil {
			return err
		}
	}
	data := layout{Language: v.language(), Title: title, CSRF: token, Body: body}
	if v.account != nil {
		data.Member = &memberMenu{Name: v.account.Person.Display(v.account.Language), Administers: administers(v.account)}
		if tenant, err := v.readTenant(v.account.Tenant); err == nil {
			data.Member.Tenant = tenant.DisplayName
		}
	}
	var page bytes.Buffer
	if err := v.site.pages.templates[v.language()][name].Execute(&page, data); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	_ = v.sendPage(status, page.Bytes())
	return nil
}

// sendPage fails where the browser has gone, so that nobody need be told.
func (v *visit) sendPage(status int, page []byte) error {
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	if v.r.Method == http.MethodHead {
		return nil
	}
	_, err := v.w.Write(page)
	return err
}

func (v *visit) text(key string, arguments ...any) string {
	return v.site.pages.catalogue.text(v.language(), key, arguments...)
}
