/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package inbox

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
)

var webAddress = regexp.MustCompile(`https?://[^\s<>"'、。）」]+`)

// parse reads a message in UTF-8.
func parse(reader io.Reader) (Message, error) {
	parsed, err := mail.ReadMessage(reader)
	if err != nil {
		return Message{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		return Message{}, err
	}
	text, err := textPart(parsed.Header.Get("Content-Type"), parsed.Header.Get("Content-Transfer-Encoding"), parsed.Body)
	if err != nil {
		return Message{}, err
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	links := webAddress.FindAllString(text, -1)
	if links == nil {
		links = []string{}
	}
	return Message{Subject: subject, Text: text, Links: links}, nil
}

// textPart is the first text/plain part, at any depth; empty where there is none.
func textPart(contentType, encoding string, body io.Reader) (string, error) {
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = "text/plain" // RFC 2045, section 5.2
	}
	switch {
	case strings.HasPrefix(mediaType, "multipart/"):
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			// NextRawPart leaves the transfer encoding alone.
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			text, err := textPart(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part)
			if text != "" || err != nil {
				return text, err
			}
		}
	case mediaType == "text/plain":
		content, err := io.ReadAll(decode(encoding, body))
		return string(content), err
	default:
		return "", nil
	}
}

func decode(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	default:
		return body
	}
}
