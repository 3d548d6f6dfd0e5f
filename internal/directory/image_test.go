/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	. "github.com/onsi/gomega"
)

func TestParseImage(t *testing.T) {
	picture := image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black, color.White})
	encode := func(write func(*bytes.Buffer) error) []byte {
		var buffer bytes.Buffer
		NewWithT(t).Expect(write(&buffer)).To(Succeed())
		return buffer.Bytes()
	}
	asPNG := encode(func(b *bytes.Buffer) error { return png.Encode(b, picture) })
	asJPEG := encode(func(b *bytes.Buffer) error { return jpeg.Encode(b, picture, nil) })
	asGIF := encode(func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) })
	sized := func(size int) []byte { return append(bytes.Clone(asPNG), make([]byte, size-len(asPNG))...) }
	const neither = "the image is neither PNG, JPEG nor GIF; convert it to one of them"
	for name, test := range map[string]struct {
		data             []byte
		contentType, err string
	}{
		"PNG":                      {asPNG, "image/png", ""},
		"JPEG":                     {asJPEG, "image/jpeg", ""},
		"GIF":                      {asGIF, "image/gif", ""},
		"exactly 1 MiB":            {sized(1 << 20), "image/png", ""},
		"one byte more":            {sized(1<<20 + 1), "", "the image has 1048577 bytes; at most 1048576 (1 MiB) are allowed"},
		"empty":                    {nil, "", neither},
		"SVG could carry a script": {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), "", neither},
		"WebP":                     {[]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00"), "", neither},
		"HTML":                     {[]byte("<!DOCTYPE html>"), "", neither},
		"a signature alone":        {asPNG[:8], "", neither},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := ParseImage(test.data)
			if test.err != "" {
				g.Expect(err).To(MatchError(test.err))
				g.Expect(got).To(BeNil())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(&Image{ContentType: test.contentType, Data: test.data}))
		})
	}
}
