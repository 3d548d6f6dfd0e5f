/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"slices"

	"tegata.dev/tegata/internal/directory"
)

const iconSize = 128

// shape tells which points of the unit square belong to it.
type shape func(x, y float64) bool

func rectangle(left, top, right, bottom, radius float64) shape {
	return func(x, y float64) bool {
		if x < left || y < top || x > right || y > bottom {
			return false
		}
		dx, dy := max(left+radius-x, x-right+radius, 0), max(top+radius-y, y-bottom+radius, 0)
		return dx*dx+dy*dy <= radius*radius
	}
}

func circle(radius float64) shape {
	return rectangle(.5-radius, .5-radius, .5+radius, .5+radius, radius)
}

func union(shapes ...shape) shape {
	return func(x, y float64) bool {
		return slices.ContainsFunc(shapes, func(s shape) bool { return s(x, y) })
	}
}

func without(whole, hole shape) shape {
	return func(x, y float64) bool { return whole(x, y) && !hole(x, y) }
}

// icons are the pictures of the apps, by app name.
var icons = map[string]func() *directory.Image{
	"calendar": func() *directory.Image {
		sheet := without(rectangle(.25, .28, .75, .76, .07), rectangle(.31, .43, .69, .70, .02))
		days := union(rectangle(.36, .48, .45, .55, .01), rectangle(.55, .48, .64, .55, .01), rectangle(.36, .60, .45, .67, .01))
		return draw(color.NRGBA{0x24, 0x47, 0x7a, 0xff}, union(sheet, days, rectangle(.35, .21, .40, .34, .02), rectangle(.60, .21, .65, .34, .02)))
	},
	"attendance": func() *directory.Image {
		return draw(color.NRGBA{0x7a, 0x5b, 0x14, 0xff}, union(without(circle(.29), circle(.225)), rectangle(.47, .34, .53, .53, .02), rectangle(.47, .47, .64, .53, .02)))
	},
	"expenses": func() *directory.Image {
		lines := union(rectangle(.38, .35, .62, .40, .01), rectangle(.38, .46, .62, .51, .01), rectangle(.50, .57, .62, .62, .01))
		return draw(color.NRGBA{0x9a, 0x3a, 0x24, 0xff}, without(rectangle(.30, .24, .70, .76, .05), lines))
	},
	"wiki": func() *directory.Image {
		return draw(color.NRGBA{0x2d, 0x61, 0x49, 0xff}, union(
			without(rectangle(.22, .30, .48, .72, .04), rectangle(.28, .37, .43, .41, 0)), without(rectangle(.52, .30, .78, .72, .04), rectangle(.57, .37, .72, .41, 0))))
	},
}

// draw paints a rounded square of a colour with a shape of paper on it.
func draw(ground color.NRGBA, figure shape) *directory.Image {
	const samples = 4
	tile := rectangle(0, 0, 1, 1, .22)
	canvas := image.NewNRGBA(image.Rect(0, 0, iconSize, iconSize))
	for y := range iconSize {
		for x := range iconSize {
			var onTile, onFigure int
			for i := range samples * samples {
				px := (float64(x) + (float64(i%samples)+.5)/samples) / iconSize
				py := (float64(y) + (float64(i/samples)+.5)/samples) / iconSize
				if tile(px, py) {
					onTile++
				}
				if figure(px, py) {
					onFigure++
				}
			}
			part := float64(onFigure) / (samples * samples)
			mix := func(from, to uint8) uint8 { return uint8(float64(from)*(1-part) + float64(to)*part) }
			canvas.SetNRGBA(x, y, color.NRGBA{
				R: mix(ground.R, 0xff), G: mix(ground.G, 0xfd), B: mix(ground.B, 0xf8), A: uint8(onTile * 0xff / (samples * samples)),
			})
		}
	}
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, canvas); err != nil {
		panic(err)
	}
	return &directory.Image{ContentType: "image/png", Data: encoded.Bytes()}
}
