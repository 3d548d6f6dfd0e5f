/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package inbox

import (
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

var page = template.Must(template.New("inbox").Funcs(template.FuncMap{"linked": linked}).Parse(`<!DOCTYPE html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10">
<title>受信箱 / Inbox ({{len .}})</title>
<style>
body { font-family: system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; color: #1f2933; background: #f5f7f8 }
article { background: #fff; border: 1px solid #d8dee3; border-radius: .5rem; padding: 1rem 1.25rem; margin: 1rem 0 }
h2 { margin: 0 0 .25rem; font-size: 1.1rem }
.who { color: #5b6770; margin: 0 0 .75rem; font-size: .9rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; line-height: 1.6; margin: 0 }
</style>
</head>
<body>
<h1>受信箱 / Inbox</h1>
<p>デモのメールはすべてここに届きます。 Every mail of the demo ends up here. (<a href="/messages.json">JSON</a>)</p>
{{range .}}<article>
<h2>{{.Subject}}</h2>
<p class="who">{{.Received.Format "2006-01-02 15:04:05"}} · {{.From}} → {{range $i, $to := .To}}{{if $i}}, {{end}}{{$to}}{{end}}</p>
<pre>{{linked .Text}}</pre>
</article>
{{else}}<p>まだメールはありません。 No mail yet.</p>
{{end}}</body>
</html>
`))

// linked escapes text and makes its web addresses links.
func linked(text string) template.HTML {
	var out strings.Builder
	end := 0
	for _, at := range webAddress.FindAllStringIndex(text, -1) {
		address := template.HTMLEscapeString(text[at[0]:at[1]])
		out.WriteString(template.HTMLEscapeString(text[end:at[0]]))
		out.WriteString(`<a href="` + address + `" rel="noreferrer">` + address + `</a>`)
		end = at[1]
	}
	out.WriteString(template.HTMLEscapeString(text[end:]))
	return template.HTML(out.String()) // #nosec G203 -- every piece is escaped above
}

// ServeHTTP implements http.Handler: / for people, /messages.json for scripts.
func (i *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	messages := i.Messages()
	switch r.URL.Path {
	case "/":
		slices.Reverse(messages)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// A browser that went away is the only thing that can fail from here on.
		_ = page.Execute(w, messages)
	case "/messages.json":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(slices.Concat([]Message{}, messages))
	default:
		http.NotFound(w, r)
	}
}
