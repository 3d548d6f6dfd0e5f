/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The limits of a password: at least 8 characters (O1.2), at most 128 bytes,
// so that a hash never costs more than the attacker's request did.
const (
	MinPasswordCharacters = 8
	MaxPasswordBytes      = 128
	// minStrength is on zxcvbn's scale of 0 (guessed at once) to 4.
	minStrength = 2
)

// What can be wrong with a new password (A4). Pages translate them.
var (
	ErrPasswordTooShort = errors.New("the password has fewer than 8 characters")
	ErrPasswordTooLong  = errors.New("the password is longer than 128 bytes")
	ErrPasswordTooPlain = errors.New("the password needs at least one letter and one digit or symbol")
	ErrPasswordIsMail   = errors.New("the password is the mail address or part of it")
	ErrPasswordCommon   = errors.New("the password is common, repeated or sequential and would be guessed soon")
)

// CheckPassword refuses passwords that are too short, too plain, equal to what
// is known of the member, or guessed soon (A4).
func CheckPassword(password string, m Member) error {
	switch {
	case utf8.RuneCountInString(password) < MinPasswordCharacters:
		return ErrPasswordTooShort
	case len(password) > MaxPasswordBytes:
		return ErrPasswordTooLong
	case !hasLetterAndOther(norm.NFC.String(password)):
		return ErrPasswordTooPlain
	}
	mail := NormalizeMail(m.Mail)
	local, _, _ := strings.Cut(mail, "@")
	if folded := NormalizeMail(password); folded == mail || folded == local {
		return ErrPasswordIsMail
	}
	if PasswordStrength(password, m) < minStrength {
		return ErrPasswordCommon
	}
	return nil
}

func hasLetterAndOther(password string) bool {
	letter := strings.IndexFunc(password, unicode.IsLetter) >= 0
	other := strings.IndexFunc(password, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsSpace(r) }) >= 0
	return letter && other
}
