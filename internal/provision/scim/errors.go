/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"tegata.dev/tegata/internal/provision"
)

// refusal is an error as services tell it (RFC 7644 section 3.12).
type refusal struct {
	scimType string
	detail   string
}

// outdated is the code of a refusal because the resource was changed meanwhile.
const outdated = "versionMismatch"

// maxDetail is how much of a service's text is kept, in characters.
const maxDetail = 300

// parseRefusal reads an error's body, of which nothing is certain: some services
// send a list of errors, other names, or no JSON at all.
func parseRefusal(body []byte) refusal {
	var document any
	if decode(body, &document) != nil {
		return refusal{}
	}
	if many, ok := document.([]any); ok && len(many) > 0 {
		document = many[0]
	}
	r, ok := object(document)
	if !ok {
		return refusal{}
	}
	if many, ok := r.get("Errors").([]any); ok && len(many) > 0 {
		if first, ok := object(many[0]); ok {
			r = first
		}
	}
	detail := ""
	for _, name := range []string{"detail", "description", "message", "error_description", "error"} {
		if detail = printable(r.text(name)); detail != "" {
			break
		}
	}
	return refusal{scimType: word(r.text("scimType")), detail: detail}
}

// word is a service's code; empty where it is no such thing.
func word(text string) string {
	if len(text) > 64 || !nameSyntax.MatchString(text) {
		return ""
	}
	return text
}

// printable is a text on one line, cut to what may stand in a status.
func printable(text string) string {
	cleaned := &strings.Builder{}
	count := 0
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		if cleaned.Len() > 0 {
			cleaned.WriteByte(' ')
			count++
		}
		for _, r := range field {
			if count >= maxDetail {
				return cleaned.String() + "…"
			}
			cleaned.WriteRune(r)
			count++
		}
	}
	return cleaned.String()
}

// failure is what a service's answer means, nil where it did what it was asked for.
func (t *Target) failure(q request, a answer) error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	r := parseRefusal(a.body)
	e := &provision.Error{Code: r.scimType, RequestID: printable(a.header.Get("X-Request-Id")), RetryAfter: a.retryAfter}
	if e.Code == "" {
		e.Code = strconv.Itoa(a.status)
	}
	e.Cause, e.Message = t.classify(q, a.status, r.scimType)
	if q.method == http.MethodDelete && e.Cause == provision.Conflict {
		// Nothing can be taken by somebody who goes: something there holds on to the account.
		e.Message = "The service does not delete it while something there depends on it, such as an enrolled device; remove that there, or set deletionPolicy to Disable."
		if len(t.options.Roles) > 0 {
			e.Cause = provision.DeviceEnrolled
		}
	}
	if a.status == http.StatusPreconditionFailed {
		e.Code = outdated
	}
	if detail := t.options.Authentication.without(r.detail); detail != "" {
		e.Said = detail
		e.Message += fmt.Sprintf(" (The service says: %s)", detail)
	}
	return e
}

// classify tells an answer's cause, and what to do about it.
func (t *Target) classify(q request, status int, scimType string) (provision.Cause, string) {
	switch strings.ToLower(scimType) {
	case "uniqueness":
		return provision.Conflict, q.taken()
	case "mutability":
		return provision.Invalid, "The service does not let one of the values be changed; correct it there by hand, or leave the attribute out of spec.attributes."
	case "invalidfilter":
		return provision.Invalid, "The service does not take the filter by which accounts are looked up."
	case "toomany":
		return provision.Invalid, "The service finds too many results to answer with."
	case "invalidvalue":
		return provision.Invalid, q.unfit()
	case "invalidpath", "notarget", "invalidsyntax":
		return provision.Invalid, fmt.Sprintf("The service does not understand the change; check the names in spec.attributes, or set %s to the other way.", t.options.field("updates"))
	default:
		return t.classifyStatus(q, status)
	}
}

func (t *Target) classifyStatus(q request, status int) (provision.Cause, string) {
	switch status {
	case http.StatusUnauthorized:
		return provision.Unauthorized, fmt.Sprintf("The service refuses the credentials: they are wrong, expired or revoked. Make new ones there, and put them into the Secret that %s names.", t.options.field("authentication"))
	case http.StatusPaymentRequired:
		return provision.LicenseLimit, "The service wants payment for another account; buy a licence, or take one from somebody there."
	case http.StatusForbidden:
		return provision.Forbidden, fmt.Sprintf("The service does not allow this with these credentials; give them the permission to manage %s there.", q.kind())
	case http.StatusNotFound, http.StatusGone:
		if q.collection() {
			return provision.Unavailable, fmt.Sprintf("The service has no %s at its address; check %s.", q.path, t.options.field("url"))
		}
		return provision.NotFound, fmt.Sprintf("The service has none of its %s by this ID, or does not show it yet.", q.kind())
	case http.StatusConflict:
		return provision.Conflict, q.taken()
	case http.StatusPreconditionFailed:
		return provision.Unavailable, "It was changed there meanwhile; it is tried again."
	case http.StatusRequestEntityTooLarge:
		return provision.Invalid, "The request is larger than the service takes; leave attributes out of spec.attributes, or make groups smaller."
	case http.StatusTooManyRequests:
		return provision.Throttled, "The service takes no more calls for now; it is tried again. Lower writesPerSecond if this happens often."
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return provision.Invalid, fmt.Sprintf("The service does not take %s of %s; %s.", q.method, q.kind(), t.instead(q))
	default:
		if status >= http.StatusInternalServerError {
			return provision.Unavailable, fmt.Sprintf("The service failed with status %d%s; it is tried again.", status, q.described())
		}
		return provision.Invalid, fmt.Sprintf("The service refused the request with status %d.", status)
	}
}

// instead is what to do about a method that a service does not take.
func (t *Target) instead(q request) string {
	switch {
	case q.method == http.MethodDelete && q.path == users:
		return "set deletionPolicy to Disable"
	case q.method == http.MethodDelete:
		return "delete it there"
	case q.method == http.MethodPatch || q.method == http.MethodPut:
		return "set " + t.options.field("updates") + " to the way that it takes"
	default:
		return "check " + t.options.field("url") + ", and whether provisioning is switched on there"
	}
}

// described is the document about the service itself that a call asks for, in words.
func (q request) described() string {
	if q.path == users || q.path == groups {
		return ""
	}
	return " at " + q.path
}

// unimplemented tells that a service does not take a method.
func unimplemented(err error) bool {
	e, ok := errors.AsType[*provision.Error](err)
	return ok && (e.Code == strconv.Itoa(http.StatusMethodNotAllowed) || e.Code == strconv.Itoa(http.StatusNotImplemented))
}

// unmarkable tells that a service refuses an attribute as such: some have no
// externalId. The account is known by its ID then.
func unmarkable(err error) bool {
	e, ok := errors.AsType[*provision.Error](err)
	return ok && (strings.EqualFold(e.Code, "mutability") || strings.EqualFold(e.Code, "invalidPath"))
}

func (q request) taken() string {
	if q.path == groups {
		return "The service has another group with the same name or external ID."
	}
	return "The service has another account with the same user name, mail address or external ID."
}

// unfit says where a value is to be corrected.
func (q request) unfit() string {
	switch {
	case q.method == http.MethodGet:
		return fmt.Sprintf("The service does not take a value by which its %s are looked up.", q.kind())
	case q.path == groups:
		return "The service does not take one of the values; correct the Group's displayName, or look for what the service demands of its members."
	default:
		return "The service does not take one of the values; correct it in the Member, or map another in spec.attributes."
	}
}

func invalid(property, format string, arguments ...any) error {
	return &provision.Error{Cause: provision.Invalid, Property: property, Message: fmt.Sprintf(format, arguments...)}
}

func invalidPath(name string, err error) error {
	return invalid(name, "spec.attributes names %s, which is no path of SCIM: %v.", name, err)
}

func wrongShape(p path) error {
	return invalid(p.String(), "The service's %s has another shape than the path %s in spec.attributes; a multi-valued attribute needs a filter, as in emails[type eq \"work\"].value, and others none.", p.attribute, p)
}

func wrongValue(p path, wanted string) error {
	return invalid(p.String(), "The service wants %s for %s; map an attribute that has it in spec.attributes.", wanted, p)
}

// nonsense is an answer that says it did well, and is not what was asked for.
func nonsense(format string, arguments ...any) error {
	return &provision.Error{Cause: provision.Unavailable, Message: fmt.Sprintf(format, arguments...)}
}

func notFound() error {
	return &provision.Error{Cause: provision.NotFound, Message: "The service has no such account, or does not show it yet."}
}
