/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"cmp"
	"fmt"
	"strings"
)

// Wish is what the log-in of a domain should be.
type Wish struct {
	Domain string
	// Off gives the log-in back to Microsoft, where Tegata took it before.
	Off bool
	// Refusal is why the app cannot answer Microsoft, a sentence; empty where it can.
	Refusal string
	// DisplayName, Issuer, SignIn and SignOut are the app's.
	DisplayName, Issuer, SignIn, SignOut string
	// Certificate is of the key that signs, NextCertificate of the one that will;
	// DER in base64. The second may be empty.
	Certificate, NextCertificate string
	// MFA is Microsoft's word; empty leaves it as it is.
	MFA string
	// KnownID and KnownIssuer are of the federation that was made before; empty
	// where there was none.
	KnownID, KnownIssuer string
	// Settling: accounts of members are still being made or taken over.
	Settling bool
	// Members are the immutable IDs that members' accounts should have, by external ID.
	Members map[string]string
}

// Facts are what there is at Microsoft.
type Facts struct {
	// Domain is nil where the tenant has none of that name.
	Domain *Domain
	// Existing is nil where the domain has no federation.
	Existing *Federation
	// Administrators counts those that no federation can cut off. It is known where
	// the domain is not federated yet, or Looked.
	Administrators int
	// Looked tells that everybody in the domain was looked at, so that what follows counts.
	Looked bool
	// Unready are user names of members whose immutable ID is not there yet.
	Unready []string
	// Strangers are user names of those that could not log in here.
	Strangers []string
}

// State is how far a domain is, in the words of the API.
type State string

// The states.
const (
	Managed   State = "Managed"
	Preparing State = "Preparing"
	Federated State = "Federated"
	Blocked   State = "Blocked"
	Reverting State = "Reverting"
)

// Step is what is to be done next.
type Step string

// The steps; the zero value is none.
const (
	CreateStep    Step = "Create"
	UpdateStep    Step = "Update"
	ClearNextStep Step = "ClearNext"
	DeleteStep    Step = "Delete"
)

// Plan is the next step on the way to a wish, and what is to be told of it.
type Plan struct {
	State State
	// Message is for people; whole sentences.
	Message string
	// Risk is who is cut off although the domain is federated, or why nobody could
	// undo it, and what to do; whole sentences, empty where all is well.
	Risk string
	Step Step
	// Change is what CreateStep makes and UpdateStep changes; what is empty stays.
	Change Federation
}

// enforced has Microsoft send people here for their second factor.
const enforced = "enforceMfaByFederatedIdp"

// warning is what everybody should know who undoes a federation.
const warning = "Nobody has a password at Microsoft: reset the passwords in the Microsoft 365 admin centre before people need them. It takes up to two hours until Microsoft asks for them everywhere."

// NextStep chooses the next step. It refuses those that would cut people off.
func NextStep(w Wish, f Facts) Plan {
	if w.Off {
		return undo(w, f)
	}
	if f.Existing != nil && !ours(w, *f.Existing) {
		return blocked("The domain %s is federated to another identity provider already (issuer %s). End that federation there first; Tegata does not take it over.", w.Domain, f.Existing.Issuer)
	}
	if f.Existing != nil {
		return keep(w, f)
	}
	if message := refusal(w, f); message != "" {
		return blocked("%s", message)
	}
	if w.Settling {
		return Plan{State: Preparing, Message: fmt.Sprintf("Accounts of members are still being made or taken over; %s is federated after that.", w.Domain)}
	}
	if len(f.Unready) > 0 {
		return Plan{State: Preparing, Message: fmt.Sprintf("%s of members do not have their immutable ID yet (%s); the domain is federated as soon as they do. If that goes on, look at their Accounts.", accounts(len(f.Unready)), some(f.Unready))}
	}
	return Plan{
		State: Preparing, Message: "Everything is prepared; the domain is being federated.", Step: CreateStep,
		Change: Federation{
			DisplayName: w.DisplayName, Issuer: w.Issuer, PassiveSignIn: w.SignIn, SignOut: w.SignOut,
			SigningCertificate: w.Certificate, NextSigningCertificate: w.NextCertificate, Protocol: "saml", MFA: w.MFA,
		},
	}
}

func blocked(format string, arguments ...any) Plan {
	return Plan{State: Blocked, Message: fmt.Sprintf(format, arguments...)}
}

// ours tells whether a federation is the one that Tegata made, or one that it
// made without learning of it.
func ours(w Wish, f Federation) bool {
	return f.ID != "" && f.ID == w.KnownID || f.Issuer == w.Issuer || f.Issuer != "" && f.Issuer == w.KnownIssuer
}

// refusal is why a domain is not federated; empty where it can be.
func refusal(w Wish, f Facts) string {
	d := f.Domain
	switch {
	case d == nil:
		return fmt.Sprintf("The Entra ID tenant has no domain %s; add and verify it there, or correct spec.entraID.domain.", w.Domain)
	case d.Initial || strings.HasSuffix(strings.ToLower(d.Name), ".onmicrosoft.com"):
		return fmt.Sprintf("%s is a domain of Microsoft itself, which cannot be federated, and which is the way back into the tenant; set spec.entraID.domain to a domain of your own.", w.Domain)
	case !d.Verified:
		return fmt.Sprintf("The domain %s is not verified in Entra ID; verify it there.", w.Domain)
	case d.Default:
		return fmt.Sprintf("%s is the tenant's default domain, which cannot be federated; make another one the default there, such as the one that ends in onmicrosoft.com.", w.Domain)
	case d.Follows:
		return fmt.Sprintf("The log-in of %s follows that of the domain above it in the tenant; federate that one.", w.Domain)
	case d.Federated:
		return fmt.Sprintf("Entra ID calls %s federated, but has no configuration of it, so nobody can log in. Run Update-MgDomain -DomainId %s -AuthenticationType Managed (or ask Microsoft's support); Tegata goes on then.", w.Domain, w.Domain)
	case w.Refusal != "":
		return w.Refusal
	case w.Certificate == "":
		return "The tenant has no signing certificate yet; a domain is never federated without one."
	case f.Administrators == 0:
		return fmt.Sprintf("Nobody could get back in: the tenant has no enabled Global Administrator outside of federated domains. Make one in the domain that ends in onmicrosoft.com, with a password that is kept safe, before %s is federated.", w.Domain)
	case len(f.Strangers) > 0:
		return fmt.Sprintf("%s in %s would be cut off, as no member accounts for them (%s). %s", accounts(len(f.Strangers)), w.Domain, some(f.Strangers), forStrangers)
	}
	return ""
}

// forStrangers is what to do about accounts that no member accounts for.
const forStrangers = "Make members for them and set spec.adoption to ByUserName, or block their sign-in, or give them a user name in another domain."

// risk is who is cut off by a federation that is there, or why nobody could undo
// it. Nothing is undone for that: it would cut off everybody else.
func risk(w Wish, f Facts) string {
	var found []string
	if message := cannotAnswer(w); message != "" {
		found = append(found, message)
	}
	if f.Looked && f.Administrators == 0 {
		found = append(found, "If something goes wrong here, nobody can get back in: the tenant has no enabled Global Administrator outside of federated domains any more. Make one in the domain that ends in onmicrosoft.com, with a password that is kept safe.")
	}
	if f.Looked && len(f.Strangers) > 0 {
		found = append(found, fmt.Sprintf("%s in %s cannot log in, as no member accounts for them (%s). %s", accounts(len(f.Strangers)), w.Domain, some(f.Strangers), forStrangers))
	}
	return strings.Join(found, " ")
}

// cannotAnswer is why people may be cut off by what the app is; empty where it is in order.
func cannotAnswer(w Wish) string {
	if w.Refusal == "" && w.Certificate != "" {
		return ""
	}
	return fmt.Sprintf("People may not be able to log in: %s Nothing is changed at Microsoft until then.", cmp.Or(w.Refusal, "the tenant has no signing certificate."))
}

// keep follows changes of a federation that is there.
func keep(w Wish, f Facts) Plan {
	now := *f.Existing
	plan := Plan{State: Federated, Message: fmt.Sprintf("Microsoft sends everybody in %s here to log in.", w.Domain), Risk: risk(w, f)}
	if cannotAnswer(w) != "" {
		return plan
	}
	if w.MFA == "" && now.MFA != "" {
		plan.Message += fmt.Sprintf(" Whose second factor counts stays as it is (%s): Microsoft does not let it be unset.", now.MFA)
	}
	if cmp.Or(w.MFA, now.MFA) == enforced {
		plan.Message += " Whom Entra ID asks for a second factor is sent here for it, and there is none here yet, so they cannot get in; RejectFromIdP has Microsoft ask for its own."
	}
	change := Federation{}
	differs := func(want, have string, into *string) {
		if want != "" && want != have {
			*into, plan.Step = want, UpdateStep
		}
	}
	differs(w.DisplayName, now.DisplayName, &change.DisplayName)
	differs(w.Issuer, now.Issuer, &change.Issuer)
	differs(w.SignIn, now.PassiveSignIn, &change.PassiveSignIn)
	differs(w.SignOut, now.SignOut, &change.SignOut)
	differs("saml", now.Protocol, &change.Protocol)
	differs(w.MFA, now.MFA, &change.MFA)
	differs(w.Certificate, now.SigningCertificate, &change.SigningCertificate)
	// The next certificate is taken away last, and never together with the switch:
	// what signed until then may still be under way.
	differs(w.NextCertificate, now.NextSigningCertificate, &change.NextSigningCertificate)
	plan.Change = change
	if plan.Step == "" && w.NextCertificate == "" && now.NextSigningCertificate != "" {
		plan.Step = ClearNextStep
	}
	return plan
}

// undo gives the log-in back to Microsoft. What Tegata did not make stays.
func undo(w Wish, f Facts) Plan {
	known := w.KnownID != "" || w.KnownIssuer != ""
	switch {
	case !known:
		return Plan{State: Managed}
	case f.Existing != nil && f.Existing.ID != w.KnownID && f.Existing.Issuer != w.KnownIssuer:
		return Plan{State: Managed, Message: fmt.Sprintf("The domain %s is federated to another identity provider by now (issuer %s), which is left alone.", w.Domain, f.Existing.Issuer)}
	case f.Existing != nil:
		return Plan{State: Reverting, Message: fmt.Sprintf("The log-in of %s goes back to Microsoft. %s", w.Domain, warning), Step: DeleteStep}
	case f.Domain != nil && f.Domain.Federated:
		return Plan{State: Reverting, Message: fmt.Sprintf("The log-in of %s is going back to Microsoft. %s", w.Domain, warning)}
	default:
		return Plan{State: Managed, Message: fmt.Sprintf("Microsoft logs the users of %s in again. %s", w.Domain, warning)}
	}
}

func accounts(n int) string {
	if n == 1 {
		return "1 account"
	}
	return fmt.Sprintf("%d accounts", n)
}

// shown is how many names a message has.
const shown = 5

func some(names []string) string {
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
