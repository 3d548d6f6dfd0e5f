/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// The lengths of a user principal name and its parts.
const (
	maxUPN    = 113
	maxLocal  = 64
	maxDomain = 48
)

// rolesProperty is not Graph's: it holds the template IDs of the mapped directory
// roles that an account has, sorted, with commas between.
const rolesProperty = "directoryRoles"

// languages are members' languages as Graph wants them.
var languages = map[string]string{"ja": "ja-JP", "en": "en-US"}

// defaults fill what attributes of the ProvisioningTarget leave open.
var defaults = []provision.Attribute{
	{Name: displayNameProperty, Field: "displayName"},
	{Name: "givenName", Field: "givenName"},
	{Name: "surname", Field: "familyName"},
	{Name: "mobilePhone", Field: "phone"},
	{Name: languageProperty, Field: "language"},
	{Name: upnProperty, Field: "mailLocalPart"},
}

// mapping is the defaults and what goes before them.
func (o Options) mapping() []provision.Attribute {
	mapping := slices.Clone(o.Attributes)
	for _, attribute := range append(slices.Clone(defaults), provision.Attribute{Name: locationProperty, Value: o.UsageLocation}) {
		if !slices.ContainsFunc(mapping, func(a provision.Attribute) bool { return a.Name == attribute.Name }) {
			mapping = append(mapping, attribute)
		}
	}
	return mapping
}

// Desire implements provision.Target.
func (t *Target) Desire(subject directory.Subject) (provision.Desired, error) {
	values := provision.Values(subject, t.mapping)
	userName, err := t.userName(values[upnProperty], subject.Member.Mail)
	if err != nil {
		return provision.Desired{}, err
	}
	delete(values, upnProperty)
	if _, mapped := values[nicknameProperty]; !mapped {
		values[nicknameProperty], _ = provision.MailParts(userName)
	}
	if language, ok := languages[values[languageProperty]]; ok {
		values[languageProperty] = language
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		values[name] = strings.TrimSpace(values[name])
		if err := checkValue(name, values[name]); err != nil {
			return provision.Desired{}, err
		}
		if values[name] == "" && properties[name].kept {
			delete(values, name)
		}
	}
	desired := provision.Desired{
		CorrelationID: directory.ImmutableID(subject.ID), UserName: userName,
		Active: !subject.Member.Suspended, Properties: values,
	}
	if len(t.options.Roles) > 0 {
		desired.Properties[rolesProperty] = t.rolesOf(subject.Member)
	}
	return desired, nil
}

// userName is the user principal name from what a mapping says: its part before
// @, or all of it in one of the target's domains.
func (t *Target) userName(value, mail string) (string, error) {
	local, named := provision.MailParts(strings.TrimSpace(value))
	_, of := provision.MailParts(mail)
	domain := t.domainOf(cmp.Or(named, of))
	if named != "" && !strings.EqualFold(domain, named) {
		return "", invalid(upnProperty, "%s is not in a domain of this target, such as %s; let spec.attributes fill userPrincipalName with a name in one, or with the part before @ alone.", value, domain)
	}
	switch {
	case local == "":
		return "", invalid(upnProperty, "It would be empty; give the member the attribute that spec.attributes fills it from.")
	case len(local) > maxLocal:
		return "", invalid(upnProperty, "%s has %d characters before @, and Entra ID takes %d; give the member a shorter mail address.", local, len(local), maxLocal)
	case strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return "", invalid(upnProperty, "%s has a dot at its beginning, its end or beside another one, which Entra ID does not take; give the member another mail address.", local)
	}
	if refused := refusedCharacters(local, allowedInUserName); refused != "" {
		return "", invalid(upnProperty, "%s has %s, which Entra ID does not take there; only A-Z a-z 0-9 ' . - _ ! # ^ ~ are allowed. Give the member another mail address, or let spec.attributes fill userPrincipalName from an attribute.", local, refused)
	}
	userName := local + "@" + domain
	if len(userName) > maxUPN {
		return "", invalid(upnProperty, "%s has %d characters, and Entra ID takes %d; give the member a shorter mail address.", userName, len(userName), maxUPN)
	}
	return userName, nil
}

// domainOf is the one of the target's domains that is named, or else the first.
func (t *Target) domainOf(name string) string {
	for _, other := range t.options.OtherDomains {
		if strings.EqualFold(other, name) {
			return other
		}
	}
	return t.options.Domain
}

func allowedInUserName(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("'.-_!#^~", r))
}

func allowedInNickname(r rune) bool {
	return r > ' ' && r < unicode.MaxASCII && !strings.ContainsRune(`@()\[]";:<>,`, r)
}

func allowedInMail(r rune) bool { return r > ' ' && r < unicode.MaxASCII }

func allowedInText(r rune) bool { return !unicode.IsControl(r) && r != unicode.ReplacementChar }

// checkValue refuses what Graph would refuse, with the reason in words.
func checkValue(name, value string) error {
	p := properties[name]
	if value == "" {
		if p.kept && name != locationProperty {
			return invalid(name, "It would be empty, and Entra ID cannot clear it; give the member a value.")
		}
		return nil
	}
	if length := len(utf16.Encode([]rune(value))); p.limit > 0 && length > p.limit {
		return invalid(name, "%q has %d characters, and Entra ID takes %d; shorten it.", value, length, p.limit)
	}
	allowed := allowedInText
	switch name {
	case nicknameProperty:
		allowed = allowedInNickname
	case "mail", "otherMails":
		allowed = allowedInMail
	case locationProperty:
		if len(value) != 2 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return invalid(name, "%q is no country; use two capital letters, for example JP.", value)
		}
	}
	if refused := refusedCharacters(value, allowed); refused != "" {
		return invalid(name, "%q has %s, which Entra ID does not take there; change it.", value, refused)
	}
	return nil
}

// refusedCharacters are the characters that are not allowed, each once, as words.
func refusedCharacters(value string, allowed func(rune) bool) string {
	var refused []string
	for _, r := range value {
		if word := fmt.Sprintf("%q (%U)", string(r), r); !allowed(r) && !slices.Contains(refused, word) {
			refused = append(refused, word)
		}
	}
	if len(refused) > 5 {
		refused = append(refused[:5], "others")
	}
	return strings.Join(refused, ", ")
}

func invalid(name, format string, arguments ...any) error {
	for i, argument := range arguments {
		if value, ok := argument.(string); ok {
			arguments[i] = presentable(strings.ToValidUTF8(value, "\uFFFD"), maxText)
		}
	}
	return &provision.Error{Cause: provision.Invalid, Property: name, Message: name + ": " + fmt.Sprintf(format, arguments...)}
}
