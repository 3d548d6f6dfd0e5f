/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // x5t is a SHA-1 thumbprint (RFC 7515 section 4.1.7).
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// maxAssertion is how long an assertion may hold, which Microsoft advises.
const maxAssertion = 10 * time.Minute

// assertionSkew is how far clocks may differ.
const assertionSkew = 5 * time.Minute

type assertionHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	SHA1      string `json:"x5t"`
	SHA256    string `json:"x5t#S256"`
}

type assertionClaims struct {
	Audience string `json:"aud"`
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	ID       string `json:"jti"`
	Begins   int64  `json:"nbf"`
	Ends     int64  `json:"exp"`
}

// verify checks a signed assertion (RFC 7523) of an app.
func (a *App) verify(proof string, c *call) *answer {
	parts := strings.Split(proof, ".")
	var header assertionHeader
	var claims assertionClaims
	if len(parts) != 3 || !readSegment(parts[0], &header) || !readSegment(parts[1], &claims) || header.Type != "JWT" {
		return invalidClient(50027, "JWT token is invalid or malformed.")
	}
	certificate := a.certificate(header)
	if certificate == nil {
		return badAssertion("The key was not found.")
	}
	if !verified(certificate, header.Algorithm, parts) {
		return badAssertion("The signature is not valid.")
	}
	begins, ends := time.Unix(claims.Begins, 0), time.Unix(claims.Ends, 0)
	switch {
	case claims.Issuer != a.ClientID || claims.Subject != a.ClientID:
		return invalidClient(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
	case claims.Audience != c.origin+c.path:
		return invalidClient(700023, fmt.Sprintf("Client assertion audience claim does not match Realm issuer. Expected %s.", c.origin+c.path))
	case claims.ID == "" || claims.Begins == 0 || claims.Ends == 0:
		return invalidClient(50027, "JWT token is invalid or malformed: a claim is missing.")
	case c.now.Add(assertionSkew).Before(begins) || !c.now.Before(ends.Add(assertionSkew)) || ends.Sub(begins) > maxAssertion || !begins.Before(ends):
		return invalidClient(700024, fmt.Sprintf("Client assertion is not within its valid time range. Current time: %s.", moment(c.now)))
	case c.now.After(certificate.NotAfter):
		return badAssertion("The key is expired.")
	}
	return nil
}

func badAssertion(reason string) *answer {
	a := tokenRefusal(400, "invalid_client", 700027, fmt.Sprintf("Client assertion failed signature validation. [Reason - %s]", reason))
	return &a
}

// certificate is the one that a header names.
func (a *App) certificate(header assertionHeader) *x509.Certificate {
	for _, certificate := range a.Certificates {
		short := sha1.Sum(certificate.Raw)
		long := sha256.Sum256(certificate.Raw)
		encode := base64.RawURLEncoding.EncodeToString
		if header.SHA256 == encode(long[:]) || header.SHA256 == "" && header.SHA1 == encode(short[:]) {
			return certificate
		}
	}
	return nil
}

func verified(certificate *x509.Certificate, algorithm string, parts []string) bool {
	key, isRSA := certificate.PublicKey.(*rsa.PublicKey)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if !isRSA || err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch algorithm {
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, nil) == nil
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	default:
		return false
	}
}

func readSegment(segment string, into any) bool {
	decoded, err := base64.RawURLEncoding.DecodeString(segment)
	return err == nil && json.Unmarshal(decoded, into) == nil
}
