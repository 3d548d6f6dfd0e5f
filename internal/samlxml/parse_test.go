/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/samlxml"
)

func TestRefusedDocuments(t *testing.T) {
	many := func(format string, n int) string {
		var text strings.Builder
		for i := range n {
			text.WriteString(strings.ReplaceAll(format, "#", "n"+strings.Repeat("x", i)))
		}
		return text.String()
	}
	for document, want := range map[string]string{
		"":                             "is empty",
		"  ":                           "is empty",
		"text":                         "has text outside",
		"<a/>text":                     "has text outside",
		"<a/><b/>":                     "goes on after",
		"<a/><!-- more -->":            "goes on after",
		"<a>":                          "is not well-formed",
		"<a></b>":                      "is not well-formed",
		"</a>":                         "is not well-formed",
		`<p:a xmlns:p="u"></a>`:        "is not well-formed",
		`<a b=1/>`:                     "is not well-formed",
		`<a>&unknown;</a>`:             "is not well-formed",
		"\xff":                         "is not UTF-8",
		"<!DOCTYPE a><a/>":             "contains a document type",
		"<a><!ENTITY x 'y'></a>":       "contains a document type",
		"<?php ?><a/>":                 "contains a processing instruction",
		"<a><?xml version='1.0'?></a>": "contains a processing instruction",
		`<p:a/>`:                       "uses an XML name that is not declared",
		`<a p:b="1"/>`:                 "uses an XML name that is not declared",
		`<a :b="1"/>`:                  "uses an XML name that is not declared",
		`<:a/>`:                        "uses an XML name that is not declared",
		`<a b="1" b="1"/>`:             "has an attribute twice",
		`<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`:          "has an attribute twice",
		`<a xmlns:p="u" xmlns:p="v"/>`:                          "cannot be declared",
		`<a xmlns="u" xmlns="u"/>`:                              "cannot be declared",
		`<a xmlns:p=""/>`:                                       "cannot be declared",
		`<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`: "cannot be declared",
		`<a xmlns:x="http://www.w3.org/2000/xmlns/"/>`:          "cannot be declared",
		`<xmlns:a/>`: "uses an XML name that is not declared",
		strings.Repeat("<a>", 33) + strings.Repeat("</a>", 33): "is nested deeper than 32 levels",
		"<a>" + strings.Repeat("<b/>", 1000) + "</a>":          "has more than 1000 elements",
		"<a " + many(` #="1"`, 65) + "/>":                      "more than 64 attributes",
		"<a>" + strings.Repeat("x", 256<<10) + "</a>":          "is larger than 256 kB",
		`<?xml version="1.0" encoding="Shift_JIS"?><a/>`:       "is not well-formed",
		`<?xml version="1.1"?><a/>`:                            "is not well-formed",
		"\xfe\xff\x00<\x00a\x00/\x00>":                         "is not UTF-8",
	} {
		_, err := samlxml.Parse([]byte(document), limits)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), "%.80q", document)
	}
}

// TestNothingIsFetched: a document leads nowhere, whether it is refused or read.
func TestNothingIsFetched(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	t.Cleanup(server.Close)
	for document, read := range map[string]bool{
		`<!DOCTYPE a SYSTEM "#/x.dtd"><a/>`:                                               false,
		`<!DOCTYPE a [<!ENTITY % p SYSTEM "#/p"> %p;]><a/>`:                               false,
		`<!DOCTYPE a [<!ENTITY e SYSTEM "#/e">]><a>&e;</a>`:                               false,
		`<?xml-stylesheet href="#/x.xsl"?><a/>`:                                           false,
		`<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="#/"/></a>`:         true,
		`<a xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:schemaLocation="u #"/>`: true,
		`<a xmlns="#/namespace" xml:base="#/"/>`:                                          true,
	} {
		_, err := samlxml.Parse([]byte(strings.ReplaceAll(document, "#", server.URL)), limits)
		NewWithT(t).Expect(err == nil).To(Equal(read), document)
	}
	NewWithT(t).Expect(requests.Load()).To(BeZero())
}

func TestReading(t *testing.T) {
	g := NewWithT(t)
	root := parse(t, "\xEF\xBB\xBF"+`<?xml version="1.0"?><p:a xmlns:p="u" xmlns="d" x="1" p:x="2"> <b> one &amp; <![CDATA[two]]>`+"\n"+`</b><p:c>1<!-- -->2</p:c><b><c/></b></p:a>`)
	g.Expect(root.Is("u", "a")).To(BeTrue())
	g.Expect(root.Attribute("x")).To(Equal("1"), "an attribute in a namespace is another one")
	_, present := root.Lookup("y")
	g.Expect(present).To(BeFalse())
	g.Expect(root.All("d", "b")).To(HaveLen(2))
	text, err := root.All("d", "b")[0].Text()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(Equal("one & two"))
	commented, err := root.Optional("u", "c")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = commented.Text()
	g.Expect(err).To(MatchError(ContainSubstring("not plain text")))
	_, err = root.All("d", "b")[1].Text()
	g.Expect(err).To(MatchError(ContainSubstring("not plain text")))
	_, err = root.Optional("d", "b")
	g.Expect(err).To(MatchError(ContainSubstring("twice")))
	none, err := root.Optional("d", "a")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(none).To(BeNil())
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`<a/>`, `<p:a xmlns:p="u" b='1'>x<![CDATA[y]]><!-- c --></p:a>`, `<a xmlns="u"><b xmlns=""/></a>`, "<?xml version='1.0'?><a>&#13;</a>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		root, err := samlxml.Parse(document, limits)
		if err != nil {
			return
		}
		canonical := samlxml.Canonical(root)
		wide := limits
		wide.Bytes *= 6 // escapes are longer than what they stand for
		again, err := samlxml.Parse(canonical, wide)
		if err != nil {
			t.Fatalf("the canonical form of %q is refused: %v", document, err)
		}
		if got := samlxml.Canonical(again); string(got) != string(canonical) {
			t.Fatalf("%q became %q and then %q", document, canonical, got)
		}
	})
}
