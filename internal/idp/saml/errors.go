/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"errors"

	"tegata.dev/tegata/internal/samlxml"
)

// RequestError is why a request is refused.
type RequestError struct {
	// Status and SubStatus are SAML status codes; SubStatus may be empty.
	Status, SubStatus string
	// Message is one English sentence that is safe to show: it repeats nothing of the request.
	Message string
	// Asked is the part of the request that Message is about, as it came: foreign
	// text for an administrator who compares it, and for no page. Empty for most.
	Asked string
	// Pending is set where a registered address to answer to is known: the
	// answer is then Provider.Refuse. Otherwise a page is shown to the person.
	Pending *Pending
}

// Error implements error.
func (e *RequestError) Error() string { return "saml request refused: " + e.Message }

// refuse is the error of a request that gets no answer but a page.
func refuse(message string) *RequestError {
	return &RequestError{Status: StatusRequester, Message: message}
}

// refuseAddress is refuse because of an address in the request.
func refuseAddress(message, asked string) *RequestError {
	refused := refuse(message)
	refused.Asked = asked
	return refused
}

// refuseDocument words what is wrong with a document for the person.
func refuseDocument(err error) error {
	if malformed, ok := errors.AsType[*samlxml.Error](err); ok {
		return refuse("The request " + malformed.Reason + ".")
	}
	return err
}
