/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"tegata.dev/tegata/internal/provision"
)

// tokenAdvice is what an administrator does about a code of the token endpoint.
// Microsoft reserves to change the numbers, so nothing is decided by them.
var tokenAdvice = map[int]string{
	7000215: "The client secret is wrong. Copy the secret's value, not its ID, into the Secret; where it is lost, add a new client secret to the app registration.",
	7000222: "The client secret has expired. Add a new one under Certificates & secrets of the app registration, and put its value into the Secret.",
	7000216: "The app registration wants a client secret or a certificate, and got none that it knows. Set clientSecretRef or clientCertificateRef.",
	700016:  "The app is not known in this tenant. Check clientID and tenantID against the app registration's overview, and that admin consent was given in this tenant.",
	90002:   "The tenant was not found. Check tenantID against the app registration's overview, and that cloud is the tenant's.",
	90038:   "The tenant is in another national cloud. Set cloud to the one in whose portal the app registration is.",
	7000112: "The app is disabled. Enable it under Enterprise applications, Properties, Enabled for users to sign in.",
	700027:  "The certificate is not registered with the app, or its key does not match. Upload the certificate of the Secret under Certificates & secrets of the app registration.",
	700024:  "The clock of this machine differs from Microsoft's, so the signed proof was not valid. Set the clock by NTP.",
	500011:  "Microsoft Graph is not known as a resource in this tenant. Check that cloud and endpoints fit the tenant.",
	53003:   "A conditional access policy blocks the app. Let the policy for workload identities allow the address of this cluster.",
	50196:   "Too many tokens were asked for, which Microsoft takes for a loop. It is tried again later; check that nothing else uses the same app registration.",
}

// Codes of the token endpoint that pass by themselves.
var (
	tokenPasses   = []int{90033, 90006, 90024}
	tokenThrottle = []int{50196}
)

var codeInText = regexp.MustCompile(`AADSTS(\d{4,8})`)

// tokenProblem is the body of a refused token request (RFC 6749 section 5.2).
type tokenProblem struct {
	word, requestID string
	codes           []int
}

func parseTokenProblem(body []byte) tokenProblem {
	fields := object(body)
	p := tokenProblem{word: name(fields["error"]), requestID: name(fields["trace_id"])}
	var codes []json.RawMessage
	_ = json.Unmarshal(fields["error_codes"], &codes)
	for _, raw := range codes {
		if code, err := strconv.Atoi(string(raw)); err == nil {
			p.codes = append(p.codes, code)
		}
	}
	if match := codeInText.FindStringSubmatch(text(fields["error_description"])); len(p.codes) == 0 && match != nil {
		if code, err := strconv.Atoi(match[1]); err == nil {
			p.codes = append(p.codes, code)
		}
	}
	return p
}

func (p tokenProblem) is(code int) bool { return slices.Contains(p.codes, code) }

func (p tokenProblem) failure(status int) *provision.Error {
	e := &provision.Error{Cause: provision.Unauthorized, Code: p.word, RequestID: p.requestID}
	switch {
	case status == http.StatusTooManyRequests || slices.ContainsFunc(tokenThrottle, p.is):
		e.Cause = provision.Throttled
		e.Message = "Microsoft gives no more tokens for a while; it is tried again."
	case status < http.StatusInternalServerError && p.word == "" && len(p.codes) == 0:
		e.Cause = provision.Unavailable
		e.Message = fmt.Sprintf("Something that stands before Microsoft's log-in service refused the call (HTTP status %d), such as a filtering proxy; let the operator reach it directly. It is tried again.", status)
	case status >= http.StatusInternalServerError || p.word == "temporarily_unavailable" || slices.ContainsFunc(tokenPasses, p.is):
		e.Cause = provision.Unavailable
		e.Message = "Microsoft's log-in service could not give a token now; it is tried again."
	default:
		e.Message = "Microsoft gave no token; check tenantID, clientID, the client secret or certificate, and cloud."
	}
	for _, code := range p.codes {
		e.Code = fmt.Sprintf("AADSTS%d", code)
		if advice, known := tokenAdvice[code]; known {
			e.Message = advice
			break
		}
	}
	if e.Code != "" {
		e.Message += " (" + e.Code + ")"
	}
	return e
}
