/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/samlxml"
)

func TestCanonicalForm(t *testing.T) {
	for name, test := range map[string]struct{ document, want string }{
		"order":                {`<a xmlns:z="urn:z" z:y='2' y="1" b="0" xmlns:x="urn:a" x:z="3"/>`, `<a xmlns:x="urn:a" xmlns:z="urn:z" b="0" y="1" x:z="3" z:y="2"></a>`},
		"unused prefix":        {`<a xmlns:u="urn:u"><b/></a>`, `<a><b></b></a>`},
		"declared where used":  {`<a xmlns:u="urn:u"><u:b><u:c/></u:b><u:d/></a>`, `<a><u:b xmlns:u="urn:u"><u:c></u:c></u:b><u:d xmlns:u="urn:u"></u:d></a>`},
		"declared again":       {`<u:a xmlns:u="urn:u"><u:b xmlns:u="urn:u"/></u:a>`, `<u:a xmlns:u="urn:u"><u:b></u:b></u:a>`},
		"declared otherwise":   {`<u:a xmlns:u="urn:u"><u:b xmlns:u="urn:v"/></u:a>`, `<u:a xmlns:u="urn:u"><u:b xmlns:u="urn:v"></u:b></u:a>`},
		"default taken back":   {`<a xmlns="urn:u"><b xmlns=""><c/></b></a>`, `<a xmlns="urn:u"><b xmlns=""><c></c></b></a>`},
		"default not needed":   {`<u:a xmlns="urn:d" xmlns:u="urn:u"><u:b/></u:a>`, `<u:a xmlns:u="urn:u"><u:b></u:b></u:a>`},
		"xml prefix":           {`<a xml:lang="ja"/>`, `<a xml:lang="ja"></a>`},
		"text":                 {"<a>&lt;&gt;&amp;&quot;'&#13;\r\n<![CDATA[<&]]></a>", "<a>&lt;&gt;&amp;\"'&#xD;\n&lt;&amp;</a>"},
		"attribute":            {`<a b="&lt;>&amp;&quot;'&#9;&#10;&#13;"/>`, `<a b="&lt;>&amp;&quot;'&#x9;&#xA;&#xD;"></a>`},
		"comments are dropped": {`<a>x<!-- y -->z</a>`, `<a>xz</a>`},
		"around the root":      {"<?xml version='1.0'?>\n<a/>\n", `<a></a>`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(string(samlxml.Canonical(parse(t, test.document)))).To(Equal(test.want))
		})
	}
	g := NewWithT(t)
	document := parse(t, `<a xmlns="urn:d" xmlns:u="urn:u" xmlns:v="urn:v"><v:b><c/></v:b></a>`)
	g.Expect(string(samlxml.Canonical(document, "u"))).To(Equal(`<a xmlns="urn:d" xmlns:u="urn:u"><v:b xmlns:v="urn:v"><c></c></v:b></a>`))
	g.Expect(string(samlxml.Canonical(document.Children()[0], "", "u", "none"))).
		To(Equal(`<v:b xmlns="urn:d" xmlns:u="urn:u" xmlns:v="urn:v"><c></c></v:b>`), "a part takes over what its ancestors declare")
}

var prefixes = []string{"", "p", "q", "samlp"}

func randomDocument(seed uint64) string {
	var document strings.Builder
	randomElement(rand.New(rand.NewPCG(seed, 1)), &document, nil, 0)
	return document.String()
}

// randomElement writes an element with namespaces declared here and there.
func randomElement(random *rand.Rand, out *strings.Builder, known []string, depth int) {
	inScope := append([]string(nil), known...)
	declarations := ""
	for _, prefix := range prefixes {
		if random.IntN(3) > 0 {
			continue
		}
		declarations += fmt.Sprintf(` %s="urn:%d"`, strings.TrimSuffix("xmlns:"+prefix, ":"), random.IntN(3))
		if prefix != "" {
			inScope = append(inScope, prefix)
		}
	}
	qualify := func(name string) string {
		if i := random.IntN(len(inScope) + 1); i < len(inScope) {
			return inScope[i] + ":" + name
		}
		return name
	}
	name := qualify(fmt.Sprint("e", random.IntN(5)))
	fmt.Fprintf(out, "<%s%s", name, declarations)
	for i := range random.IntN(3) {
		fmt.Fprintf(out, ` %s="v&lt;&#%d;"`, qualify(fmt.Sprint("a", i)), []int{9, 10, 13, 34, 38, 0x9AD8}[random.IntN(6)])
	}
	out.WriteString(">")
	for range random.IntN(4) {
		if depth < 5 && random.IntN(2) == 0 {
			randomElement(random, out, inScope, depth+1)
		} else {
			out.WriteString([]string{"text", " ", "&amp;", "日本語", "<![CDATA[<>]]>", "&#13;"}[random.IntN(6)])
		}
	}
	fmt.Fprintf(out, "</%s>", name)
}

// TestCanonicalFormIsStable: the canonical form of a canonical form is itself.
func TestCanonicalFormIsStable(t *testing.T) {
	g := NewWithT(t)
	for seed := range uint64(500) {
		document := randomDocument(seed)
		root, err := samlxml.Parse([]byte(document), limits)
		if err != nil {
			g.Expect(err).To(MatchError(ContainSubstring("attribute twice")), "two prefixes of one namespace")
			continue
		}
		got := samlxml.Canonical(root)
		again, err := samlxml.Parse(got, limits)
		g.Expect(err).NotTo(HaveOccurred(), document)
		g.Expect(samlxml.Canonical(again)).To(Equal(got), document)
	}
}
