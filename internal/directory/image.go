/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // icons and profile images may be GIF (O3.1, O6.1)
	_ "image/jpeg" // … or JPEG
	_ "image/png"  // … or PNG
)

// MaxImageBytes is the largest icon or profile image: 1 MiB (O3.1, O6.1).
const MaxImageBytes = 1 << 20

// Image is a checked PNG, JPEG or GIF.
type Image struct {
	// ContentType is image/png, image/jpeg or image/gif.
	ContentType string `json:"contentType"`
	Data        []byte `json:"data"`
}

// ParseImage checks size and format. The errors say what to do.
func ParseImage(data []byte) (*Image, error) {
	if len(data) > MaxImageBytes {
		return nil, fmt.Errorf("the image has %d bytes; at most %d (1 MiB) are allowed", len(data), MaxImageBytes)
	}
	_, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("the image is neither PNG, JPEG nor GIF; convert it to one of them")
	}
	return &Image{ContentType: "image/" + format, Data: data}, nil
}
