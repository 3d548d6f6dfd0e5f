/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import "io"

// The classes of characters that passwords are made of; Entra ID wants three.
// Characters that look alike matter not: nobody ever reads it.
var passwordClasses = []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!#$%*+-.:;=?@_"}

const passwordLength = 48

// newPassword is a password that is sent once and kept nowhere: whoever logs in
// without federation has it reset first. It begins with a character of each class.
func newPassword(random io.Reader) (string, error) {
	var every string
	for _, class := range passwordClasses {
		every += class
	}
	password := make([]byte, passwordLength)
	for i := range password {
		class := every
		if i < len(passwordClasses) {
			class = passwordClasses[i]
		}
		index, err := draw(random, len(class))
		if err != nil {
			return "", err
		}
		password[i] = class[index]
	}
	return string(password), nil
}

// draw is a number below n, each as likely as the others; n is at most 256.
func draw(random io.Reader, n int) (int, error) {
	var b [1]byte
	for {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, err
		}
		// Numbers above the last whole multiple of n would favour small ones.
		if int(b[0]) < 256-256%n {
			return int(b[0]) % n, nil
		}
	}
}
