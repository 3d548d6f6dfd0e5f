/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision/entra"
)

// microsoftEntityID is what Microsoft 365 calls itself to a domain's identity provider.
const microsoftEntityID = "urn:federation:MicrosoftOnline"

// idpEmail is the attribute in which Microsoft wants the user principal name.
const idpEmail = "IDPEmail"

// secondFactors are Microsoft's words for whose second factor counts.
var secondFactors = map[v1alpha1.FederatedMFA]string{
	"AcceptIfDoneByIdP": "acceptIfMfaDoneByFederatedIdp", "EnforceByIdP": "enforceMfaByFederatedIdp", "RejectFromIdP": "rejectMfaByFederatedIdp",
}

// wantedFederation is what the log-in of a target's domain should be.
type wantedFederation struct {
	wish entra.Wish
	// digest is of the wish but for the accounts.
	digest string
}

// federationOf is what the log-in of a target's domain should be; nil where it
// is Microsoft's and always was, or is again.
func (k *provisioningTargets) federationOf(ctx context.Context, target *v1alpha1.ProvisioningTarget, in *scope, accounts []v1alpha1.Account) (*wantedFederation, error) {
	spec, known := target.Spec.EntraID, target.Status.Federation
	if spec == nil || spec.Federation == nil && (known == nil || known.State == v1alpha1.FederationManaged || known.ID == "" && known.Issuer == "") {
		return nil, nil
	}
	wish := entra.Wish{Domain: string(spec.Domain)}
	if known != nil {
		wish.KnownID, wish.KnownIssuer = known.ID, known.Issuer
	}
	expect(&wish, accounts)
	if wish.Off = spec.Federation == nil; !wish.Off {
		app := &v1alpha1.SAMLApp{}
		err := k.Get(ctx, types.NamespacedName{Namespace: target.Namespace, Name: spec.Federation.SAMLAppRef.Name}, app)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		others := &v1alpha1.ProvisioningTargetList{}
		if err := k.List(ctx, others, client.InNamespace(target.Namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		wish.MFA = secondFactors[spec.Federation.MFA]
		if err != nil || app.Spec.TenantRef != target.Spec.TenantRef {
			// The domain alone waits for it: accounts, and those of leavers above all, go on.
			wish.Refusal = fmt.Sprintf("SAMLApp %q does not exist in this tenant; create it or correct spec.entraID.federation.samlAppRef.", spec.Federation.SAMLAppRef.Name)
			return &wantedFederation{wish, wishDigest(wish)}, nil
		}
		answeredBy(&wish, app, in.tenant.DisplayName)
		if wish.Refusal = unfit(target, app); wish.Refusal == "" {
			wish.Refusal = shared(target, others.Items)
		}
	}
	return &wantedFederation{wish, wishDigest(wish)}, nil
}

// wishDigest is of everything that is wished; the accounts change all the time,
// and what is known changes by each step.
func wishDigest(wish entra.Wish) string {
	wish.Settling = wish.Settling && wish.KnownID == ""
	wish.Members, wish.KnownID, wish.KnownIssuer = nil, "", ""
	return jsonDigest(wish)
}

func jsonDigest(value any) string {
	encoded, _ := json.Marshal(value) // of texts only, which never fails
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// expect fills in whose accounts are in the domain.
func expect(wish *entra.Wish, accounts []v1alpha1.Account) {
	wish.Members, wish.Settling = membersThere(accounts, wish.KnownID != ""), tallyOf(accounts).pending() > 0
}

// membersThere are the immutable IDs of members' accounts by external ID. Those
// of people who left are strangers before a domain is federated; afterwards not
// yet, as Microsoft's lists may still have them as they were.
func membersThere(accounts []v1alpha1.Account, federated bool) map[string]string {
	members := map[string]string{}
	for i := range accounts {
		account := &accounts[i]
		if account.Spec.MemberRef != nil && account.Status.ExternalID != "" && (federated || account.Status.RemovedAt.IsZero()) {
			members[account.Status.ExternalID] = account.Status.CorrelationID
		}
	}
	return members
}

// answeredBy fills in what the app says.
func answeredBy(wish *entra.Wish, app *v1alpha1.SAMLApp, tenant string) {
	wish.DisplayName, wish.Issuer, wish.SignIn = tenant, app.Spec.Issuer, app.Status.SingleSignOnURL
	wish.SignOut = app.Status.SingleLogoutURL
	if len(app.Spec.ServiceProvider.SingleLogoutServices) == 0 {
		// The log-out endpoint would refuse Microsoft's messages; the portal takes everybody.
		wish.SignOut = frontPage(app.Status.SingleSignOnURL)
	}
	wish.Certificate = inBase64(app.Status.Certificates, v1alpha1.CertificateCurrent)
	wish.NextCertificate = inBase64(app.Status.Certificates, v1alpha1.CertificateNext)
}

func frontPage(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return address
	}
	return parsed.Scheme + "://" + parsed.Host + "/"
}

// inBase64 is the DER of the certificate for a use; empty where there is none.
func inBase64(certificates []v1alpha1.Certificate, use v1alpha1.CertificateUse) string {
	for _, certificate := range certificates {
		if block, _ := pem.Decode([]byte(certificate.PEM)); certificate.Use == use && block != nil {
			return base64.StdEncoding.EncodeToString(block.Bytes)
		}
	}
	return ""
}

// unfit tells why an app cannot answer Microsoft for a target's domain; empty
// where it can. A wrong setting would cut everybody in the domain off.
func unfit(target *v1alpha1.ProvisioningTarget, app *v1alpha1.SAMLApp) string {
	refuse := func(format string, arguments ...any) string {
		return fmt.Sprintf("SAMLApp %q cannot answer Microsoft: ", app.Name) + fmt.Sprintf(format, arguments...)
	}
	spec, provider, name := app.Spec, app.Status.ServiceProvider, app.Spec.NameID
	switch {
	case !app.DeletionTimestamp.IsZero():
		return refuse("it is being deleted.")
	case provider == nil || !meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ReadyCondition) || app.Status.ObservedGeneration != app.Generation:
		return refuse("it is not Ready; its conditions tell why.")
	case provider.EntityID != microsoftEntityID:
		return refuse("its entity ID is %s; set spec.serviceProvider.entityID to %s.", provider.EntityID, microsoftEntityID)
	case spec.Issuer == "":
		return refuse("it has no issuer of its own, by which Microsoft tells domains apart; set spec.issuer.")
	case name == nil || name.Format != "persistent" || name.Field != "immutableID":
		return refuse("it does not send the immutable ID; set spec.nameID to {format: persistent, field: immutableID}.")
	case spec.Signing != nil && spec.Signing.Mode == "Response":
		return refuse("its assertions are not signed, which Microsoft demands; remove spec.signing.mode.")
	case spec.Encryption != nil:
		return refuse("its assertions are encrypted, which Microsoft cannot read; remove spec.encryption.")
	case !strings.HasPrefix(app.Status.SingleSignOnURL, "https://"):
		return refuse("Microsoft takes https addresses only; give the IdentityServer an https spec.externalURL.")
	}
	if message := wrongName(target.Spec, spec.Attributes); message != "" {
		return refuse("%s", message)
	}
	return ""
}

// wrongName tells why the attribute IDPEmail would not carry the user principal
// name; empty where it does.
func wrongName(target v1alpha1.ProvisioningTargetSpec, attributes []v1alpha1.SAMLAttribute) string {
	want := v1alpha1.AttributeSource{Field: "mail", Domain: target.EntraID.Domain}
	if i := slices.IndexFunc(target.Attributes, func(a v1alpha1.TargetAttribute) bool { return a.Name == "userPrincipalName" }); i >= 0 {
		from := target.Attributes[i].From
		switch {
		case from != nil && from.Attribute != "":
			want.Field, want.Attribute = "", from.Attribute
		case from == nil || from.Field != "mail" && from.Field != "mailLocalPart":
			return "the target fills userPrincipalName with what no SAML attribute can carry; fill it from mailLocalPart or from a custom attribute."
		}
	}
	example := fmt.Sprintf("{name: %s, from: {field: mail, domain: %s}}", idpEmail, want.Domain)
	if want.Attribute != "" {
		example = fmt.Sprintf("{name: %s, from: {attribute: %s, domain: %s}}", idpEmail, want.Attribute, want.Domain)
	}
	i := slices.IndexFunc(attributes, func(a v1alpha1.SAMLAttribute) bool { return a.Name == idpEmail })
	if i < 0 || attributes[i].From == nil || *attributes[i].From != want {
		return fmt.Sprintf("it does not send the user principal name as %s; set spec.attributes to have %s.", idpEmail, example)
	}
	return ""
}

// shared tells of another domain that the same app answers for; empty where there
// is none. Microsoft tells domains apart by the issuer, which is the app's.
func shared(target *v1alpha1.ProvisioningTarget, all []v1alpha1.ProvisioningTarget) string {
	app, domain := target.Spec.EntraID.Federation.SAMLAppRef, target.Spec.EntraID.Domain
	for i := range all {
		other := all[i].Spec.EntraID
		if all[i].Namespace == target.Namespace && all[i].Name != target.Name && other != nil && other.Federation != nil && other.Federation.SAMLAppRef == app {
			if other.Domain == domain {
				return fmt.Sprintf("ProvisioningTarget %q federates the domain already; remove spec.entraID.federation from one of them.", all[i].Name)
			}
			return fmt.Sprintf("SAMLApp %q answers for the domain %s of ProvisioningTarget %q already; each domain needs an app with an issuer of its own, and a tenant of its own here.", app.Name, other.Domain, all[i].Name)
		}
	}
	return ""
}

// answerChanged passes what a SAMLApp tells that Microsoft has to know.
var answerChanged = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.SAMLApp).Status, e.ObjectNew.(*v1alpha1.SAMLApp).Status
		shown := func(status v1alpha1.SAMLAppStatus) string {
			return fmt.Sprint(status.SingleSignOnURL, status.SingleLogoutURL, status.ObservedGeneration, meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ReadyCondition)) +
				fingerprints(v1alpha1.TenantStatus{Certificates: status.Certificates})
		}
		return shown(before) != shown(after)
	},
}
