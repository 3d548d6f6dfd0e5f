/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"tegata.dev/tegata/internal/provision"
)

// The longest text and the longest name of Graph that are repeated, in characters.
const (
	maxText = 400
	maxName = 100
)

// problem is what Graph says about a refusal.
type problem struct {
	code, message, requestID string
	details                  []detail
}

type detail struct{ code, target, message string }

// parseProblem reads the body of an error. The service varies it: message may be
// an object, details may be one, and any of them may be missing, so everything
// is read that is there and nothing is demanded.
func parseProblem(body []byte) problem {
	var outer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return problem{}
	}
	return parseInner(outer.Error)
}

func parseInner(raw json.RawMessage) problem {
	if code := name(raw); code != "" {
		return problem{code: code}
	}
	fields := object(raw)
	p := problem{code: name(fields["code"]), message: text(fields["message"])}
	if p.message == "" {
		p.message = text(object(fields["message"])["value"])
	}
	for _, inner := range []string{"innerError", "innererror"} {
		if id := name(object(fields[inner])["request-id"]); id != "" {
			p.requestID = id
		}
	}
	var list []json.RawMessage
	if json.Unmarshal(fields["details"], &list) != nil {
		list = []json.RawMessage{fields["details"]}
	}
	for _, item := range list {
		part := object(item)
		if d := (detail{name(part["code"]), name(part["target"]), text(part["message"])}); d != (detail{}) {
			p.details = append(p.details, d)
		}
	}
	return p
}

func object(raw json.RawMessage) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}

// text is a string of JSON, made fit to be shown; empty where it is none.
func text(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	return presentable(value, maxText)
}

// name is a code, a property or an ID.
func name(raw json.RawMessage) string { return presentable(text(raw), maxName) }

// presentable is a text of the service in one line, of bounded length.
func presentable(value string, limit int) string {
	value = strings.Join(strings.FieldsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(value); len(runes) > limit {
		value = string(runes[:limit-1]) + "…"
	}
	return value
}

// failure makes the error of a refusal; permission is what the call needs.
func (p problem) failure(status int, permission string) *provision.Error {
	e := &provision.Error{Code: p.code, RequestID: p.requestID}
	switch {
	case status == http.StatusBadRequest || status == http.StatusConflict:
		p.refused(e)
		if status == http.StatusConflict && e.Cause == provision.Invalid {
			e.Cause = provision.Conflict
		}
	case p.code == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		e.Cause, e.Message = provision.Unavailable, fmt.Sprintf("Something that stands before Microsoft Graph refused the call (HTTP status %d), such as a filtering proxy; let the operator reach it directly. It is tried again.", status)
	case status == http.StatusUnauthorized:
		e.Cause, e.Message = provision.Unauthorized, "Microsoft Graph refused the token of the app; check that the app registration still exists and tenantID, clientID and cloud are right."
	case status == http.StatusForbidden && p.code == "Directory_QuotaExceeded":
		e.Cause, e.Message = provision.LicenseLimit, "The Entra ID tenant's quota of objects is used up; delete objects there for good, or verify a domain to raise it."
	case status == http.StatusForbidden:
		e.Cause, e.Message = provision.Forbidden, fmt.Sprintf("The app lacks a permission; grant it %s (application permission of Microsoft Graph), with admin consent.", permission)
	case status == http.StatusNotFound:
		e.Cause, e.Message = provision.NotFound, "Entra ID has no such object, or does not show it yet."
	case status == http.StatusFailedDependency:
		e.Cause, e.Message = provision.Unavailable, "A call that this one depends on failed; it is tried again."
	case status == http.StatusTooManyRequests:
		e.Cause, e.Message = provision.Throttled, "Microsoft Graph throttles calls; it goes on by itself."
	default:
		e.Cause, e.Message = provision.Unavailable, fmt.Sprintf("Microsoft Graph answered with status %d; it is tried again.", status)
	}
	if status == http.StatusForbidden {
		e.Message += p.quote()
	}
	return e
}

// quote repeats the service's own words.
func (p problem) quote() string {
	if p.message == "" {
		return ""
	}
	return fmt.Sprintf(" Microsoft says: %q.", strings.TrimRight(p.message, ". "))
}

// conflictCodes are details that tell of a value that another object has.
var conflictCodes = []string{"ObjectConflict", "ConflictingObjects", "Request_MultipleObjectsWithSameKeyValue"}

// elsewhere are words of refusals that have no code of their own: another system
// owns the account.
var elsewhere = []string{"originated within an external service", "on-premises mastered", "objects currently undergoing migration", "synchronized from on-premises"}

// passing are codes of what another try mends.
var passing = []string{"Directory_ConcurrencyViolation", "Directory_ExpiredPageToken", "syncStateNotFound"}

// refused tells what a 400 means: conflicts come as such, too.
func (p problem) refused(e *provision.Error) {
	conflict := slices.IndexFunc(p.details, func(d detail) bool { return slices.Contains(conflictCodes, d.code) })
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(p.message), strings.ToLower(w)) })
	}
	switch {
	case conflict >= 0:
		e.Property = p.conflicting()
		e.Cause, e.Message = provision.Conflict, conflictMessage(e.Property)
	case slices.Contains(conflictCodes, p.code) || says("Another object with the same value"):
		e.Cause, e.Message = provision.Conflict, conflictMessage("")+p.quote()
	case says(elsewhere...):
		e.Cause, e.Message = provision.ManagedElsewhere, "Another system owns the account, most likely an on-premises Active Directory; change it there, or take it out of that synchronisation."
	case slices.Contains(passing, p.code):
		e.Cause, e.Message = provision.Unavailable, "Entra ID was busy with the same object or list; it is tried again."
	case p.code == "Directory_QuotaExceeded" || p.has("CountViolation") || says("available licenses"):
		e.Cause, e.Message = provision.LicenseLimit, "Nothing is left of the tenant's quota or licences; free some, or buy more."+p.quote()
	case says("usage location"):
		e.Cause, e.Property, e.Message = provision.Invalid, locationProperty, "The user has no valid usage location; set spec.entraID.usageLocation."
	case says("SourceAnchor is a required property"):
		e.Cause, e.Property, e.Message = provision.Invalid, immutableIDProperty, "A user of a federated domain needs an immutable ID; it is set with the next change."
	case says("domain portion of the userPrincipalName"):
		e.Cause, e.Property, e.Message = provision.Invalid, upnProperty, "The domain is no verified domain of the Entra ID tenant; verify it there, or set spec.entraID.domain to one that is."
	default:
		e.Cause, e.Property = provision.Invalid, p.target()
		e.Message = "Entra ID does not take a value; change it."
		if e.Property != "" {
			e.Message = fmt.Sprintf("Entra ID does not take the value of %s; change it.", e.Property)
		}
		e.Message += p.quote()
	}
}

func (p problem) has(code string) bool {
	return slices.ContainsFunc(p.details, func(d detail) bool { return d.code == code })
}

// conflicting is the property of a conflict; the one that names its target best.
func (p problem) conflicting() string {
	for _, d := range p.details {
		if slices.Contains(conflictCodes, d.code) && d.target != "" {
			return d.target
		}
	}
	return p.target()
}

func (p problem) target() string {
	for _, d := range p.details {
		if d.target != "" {
			return d.target
		}
	}
	return ""
}

func conflictMessage(name string) string {
	switch name {
	case "":
		return "Another object in the Entra ID tenant has one of the account's unique values."
	case upnProperty:
		return "Another account in the Entra ID tenant has that user name (userPrincipalName); set spec.adoption to ByUserName to take it over, or rename it there, or give the member another mail address."
	case "proxyAddresses", "mail":
		return "Another object in the Entra ID tenant has that mail address (" + name + "), maybe a group, a contact or a deleted user; change it there, or give the member another mail address. Nothing of the change was made."
	case immutableIDProperty:
		return "Another account in the Entra ID tenant, maybe a deleted one, carries the member's immutable ID; delete it there for good, or restore it."
	default:
		return fmt.Sprintf("Another object in the Entra ID tenant has the same %s; change one of them.", name)
	}
}
