/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import "strings"

// Problem is one thing wrong with a declared object, in words for the person
// who declared it.
type Problem struct {
	// Field is the path below spec, for example "attributes.costCenter".
	Field string `json:"field,omitempty"`
	// Message says what is wrong and what to do.
	Message string `json:"message"`
}

// Problems is a list of what is wrong, in a stable order.
type Problems []Problem

// String joins the problems into one stable sentence for a condition message.
func (p Problems) String() string {
	parts := make([]string, 0, len(p))
	for _, problem := range p {
		if problem.Field == "" {
			parts = append(parts, problem.Message)
			continue
		}
		parts = append(parts, problem.Field+": "+problem.Message)
	}
	return strings.Join(parts, "; ")
}
