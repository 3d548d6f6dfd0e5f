/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

const (
	// maxRatedCharacters bounds the time, which grows with the square of the
	// length; what follows only adds strength.
	maxRatedCharacters = 72
	// printable ASCII is from space to tilde; stand-ins are the 31 characters below it.
	firstPrintable, lastPrintable = ' ', '~'
)

// commonJapanese are what zxcvbn's lists, which are English, lack.
var commonJapanese = []string{
	"パスワード", "ぱすわーど", "あいうえお", "アイウエオ", "かきくけこ", "カキクケコ", "さしすせそ", "いろはにほへと", "ありがとう", "こんにちは",
}

// PasswordStrength is zxcvbn's score, 0 to 4, with the member's own data
// counted as guessable.
func PasswordStrength(password string, m Member) int {
	stand := standIns{}
	rated := stand.in(password)
	if len(rated) > maxRatedCharacters {
		rated = rated[:maxRatedCharacters]
	}
	var known []string
	for _, word := range slices.Concat(knownOf(m), commonJapanese) {
		known = append(known, stand.in(word))
	}
	return zxcvbn.PasswordStrength(rated, known).Score
}

// knownOf are the words that somebody who knows the member tries first: names,
// mail, and the parts of each, from two letters on (three in ASCII).
func knownOf(m Member) []string {
	local, _, _ := strings.Cut(m.Mail, "@")
	whole := []string{
		m.Mail, local, m.Name, m.Tenant, m.Phone,
		m.Person.Family, m.Person.Given, m.Person.PhoneticFamily, m.Person.PhoneticGiven,
	}
	words := slices.Clone(whole)
	for _, word := range whole {
		words = append(words, strings.FieldsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	return slices.DeleteFunc(words, func(word string) bool {
		return utf8.RuneCountInString(word) < 2 || len(word) < 3
	})
}

// standIns gives every character outside printable ASCII an ASCII control
// character to stand for it: zxcvbn counts bytes and characters as one, and so
// takes any Japanese word, even one letter repeated, for a strong password.
type standIns map[rune]rune

// in is the text, full-width letters narrowed, with stand-ins. From the 32nd
// different character on they repeat, which can only make a password look weaker.
func (s standIns) in(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= firstPrintable && r <= lastPrintable {
			return r
		}
		if _, known := s[r]; !known {
			s[r] = rune(len(s)%(firstPrintable-1)) + 1
		}
		return s[r]
	}, width.Fold.String(norm.NFC.String(text)))
}
