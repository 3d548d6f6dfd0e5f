/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// problem is a refusal (RFC 9457), as the contract has it.
type problem struct {
	Code      string   `json:"code"`
	Title     string   `json:"title"`
	Detail    string   `json:"detail"`
	Property  string   `json:"property"`
	Character string   `json:"character"`
	Devices   []string `json:"devices"`
}

// Codes of the contract.
const (
	unauthorizedCode    = "unauthorized"
	forbiddenCode       = "forbidden"
	managedElsewhere    = "managed_elsewhere"
	userNotFound        = "user_not_found"
	licenseExhausted    = "user_license_exhausted"
	mailAlreadyUsed     = "mail_already_used"
	externalIDUsed      = "external_id_already_used"
	deviceEnrolled      = "device_enrolled"
	characterNotAllowed = "character_not_allowed"
	valueNotAllowed     = "value_not_allowed"
	propertyUnknown     = "property_unknown"
	throttled           = "throttled"
)

// How much of a service's texts is kept, in characters.
const (
	maxDetail = 300
	maxName   = 100
	maxListed = 5
)

// parseProblem reads the body of a refusal; it is empty where there is none.
func parseProblem(body []byte) problem {
	var p problem
	if json.Unmarshal(body, &p) != nil {
		return problem{}
	}
	return p
}

// printable is a text on one line, of so many characters at most.
func printable(text string, limit int) string {
	text = strings.ToValidUTF8(text, "")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// sentence is a text with a capital letter at its beginning.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// refused is what a refusal means.
func (t *Target) refused(response *client.Response) error {
	p := parseProblem(response.Body)
	e := &provision.Error{
		Code: printable(p.Code, maxName), Property: printable(p.Property, maxName),
		RequestID: printable(response.Header.Get("X-Request-Id"), maxName), RetryAfter: response.RetryAfter,
	}
	e.Cause, e.Message = p.cause()
	if e.Cause == "" {
		e.Cause, e.Message = ofStatus(response.Status)
	}
	switch p.Code {
	case mailAlreadyUsed:
		e.Property = mailProperty
	case externalIDUsed:
		e.Property = externalIDProperty
	}
	if e.Code == "" {
		e.Code = strconv.Itoa(response.Status)
	}
	said := p.Detail
	if said == "" {
		said = p.Title
	}
	if e.Said = t.without(printable(said, maxDetail)); e.Said != "" {
		e.Message += fmt.Sprintf(" (The service says: %s)", e.Said)
	}
	return e
}

// cause is what a code means and asks for; empty for one that is not the contract's.
func (p problem) cause() (provision.Cause, string) {
	property := printable(p.Property, maxName)
	if property == "" {
		property = "one of the values"
	}
	switch p.Code {
	case unauthorizedCode:
		return provision.Unauthorized, "The MDM refuses the token: it is wrong, expired or revoked. Make a new one there, and put it into the Secret that spec.mdm.rest.tokenSecretRef names."
	case forbiddenCode:
		return provision.Forbidden, "The MDM does not allow this with the token; let it read devices, and read, make, change and delete users."
	case managedElsewhere:
		return provision.ManagedElsewhere, "Another system keeps this user in the MDM; change it there, or take the user out of it."
	case userNotFound:
		return provision.NotFound, notThere
	case licenseExhausted:
		return provision.LicenseLimit, "The MDM has no user licence left for this member: buy one, or delete a user there who needs none. It is tried again at the next sync, and when somebody's account is taken away."
	case mailAlreadyUsed:
		return provision.Conflict, "Another user of the MDM has this mail address already: delete or rename that user there, set spec.adoption of the ProvisioningTarget to ByUserName to take the user over, or give the Member another address."
	case externalIDUsed:
		return provision.Conflict, "Another user of the MDM carries this member's ID already: remove the externalId from that user there."
	case deviceEnrolled:
		return provision.DeviceEnrolled, fmt.Sprintf("The user cannot be deleted from the MDM, as a device is enrolled for it (Android Enterprise)%s: release the device there, or set spec.deletionPolicy of the ProvisioningTarget to Disable. It is tried again at the next sync.", p.named())
	case characterNotAllowed:
		return provision.Invalid, fmt.Sprintf("The MDM does not take %s in %s: write it otherwise in the Member, or fill %[2]s from something else by spec.attributes of the ProvisioningTarget.", p.quoted(), property)
	case valueNotAllowed:
		if p.Property == externalIDProperty {
			return provision.Invalid, "The user carries another system's ID in the MDM, which cannot be changed: delete the user there, so that it is made anew, or remove its externalId."
		}
		return provision.Invalid, fmt.Sprintf("The MDM does not take the value of %s: change it in the Member, or fill %[1]s from something else by spec.attributes of the ProvisioningTarget.", property)
	case propertyUnknown:
		return provision.Invalid, fmt.Sprintf("The MDM does not keep %s: leave it out of spec.attributes of the ProvisioningTarget, or have the MDM keep it.", property)
	case throttled:
		return provision.Throttled, tooMany
	default:
		return "", ""
	}
}

// named are the enrolled devices, as far as they are told.
func (p problem) named() string {
	names := []string{}
	for _, device := range p.Devices[:min(len(p.Devices), maxListed)] {
		names = append(names, printable(device, maxName))
	}
	if len(names) == 0 {
		return ""
	}
	return ", namely " + strings.Join(names, ", ")
}

// quoted is the character that is not allowed, and its code point, as many look alike.
func (p problem) quoted() string {
	runes := []rune(strings.ToValidUTF8(p.Character, ""))
	if len(runes) == 0 {
		return "a character"
	}
	if !unicode.IsPrint(runes[0]) {
		return fmt.Sprintf("the character U+%04X", runes[0])
	}
	return fmt.Sprintf("the character “%c” (U+%04[1]X)", runes[0])
}

const (
	notThere = "The MDM has no such user."
	tooMany  = "The MDM takes no more calls for now; it is tried again. Lower spec.writesPerSecond if this happens often."
)

// ofStatus is what a refusal without a code of the contract means. It may be of
// something before the service, which cannot speak of users.
func ofStatus(status int) (provision.Cause, string) {
	switch status {
	case http.StatusUnauthorized:
		return problem{Code: unauthorizedCode}.cause()
	case http.StatusForbidden:
		return problem{Code: forbiddenCode}.cause()
	case http.StatusTooManyRequests:
		return provision.Throttled, tooMany
	case http.StatusNotFound:
		return provision.Unavailable, "There is nothing of the MDM's contract at its address; check spec.mdm.rest.url. It is tried again."
	}
	if status >= http.StatusInternalServerError {
		return provision.Unavailable, fmt.Sprintf("The MDM failed with status %d; it is tried again.", status)
	}
	return provision.Unavailable, fmt.Sprintf("The MDM refused with status %d and no reason that its contract has; it is tried again.", status)
}

func invalid(property, format string, arguments ...any) error {
	return &provision.Error{Cause: provision.Invalid, Property: property, Message: fmt.Sprintf(format, arguments...)}
}

// nonsense is an answer that says it did well, and is not what was asked for.
func nonsense(format string, arguments ...any) error {
	return &provision.Error{Cause: provision.Unavailable, Message: fmt.Sprintf("The MDM does not keep its contract: "+format+". Check spec.mdm.rest.url, and tell its vendor; it is tried again.", arguments...)}
}

func notFound() error {
	return &provision.Error{Cause: provision.NotFound, Message: notThere}
}
