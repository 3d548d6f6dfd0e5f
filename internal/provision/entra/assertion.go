/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
)

// assertionLifetime is within the five to ten minutes that Microsoft advises.
const assertionLifetime = 5 * time.Minute

// assertion proves who the app is by its certificate (RFC 7523), as Microsoft
// wants it: PS256, and the certificate by its SHA-256 thumbprint.
func (c *Certificate) assertion(clientID, audience string, now time.Time, random io.Reader) (string, error) {
	id, err := uuid.NewRandomFromReader(random)
	if err != nil {
		return "", fmt.Errorf("draw an ID: %w", err)
	}
	thumbprint := sha256.Sum256(c.Leaf.Raw)
	header, err := segment(map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(thumbprint[:])})
	if err != nil {
		return "", err
	}
	claims, err := segment(map[string]any{
		"aud": audience, "iss": clientID, "sub": clientID, "jti": id.String(),
		"nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := header + "." + claims
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPSS(random, c.Key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return "", fmt.Errorf("sign with the client certificate's key: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func segment(value map[string]any) (string, error) {
	encoded, err := json.Marshal(value)
	return base64.RawURLEncoding.EncodeToString(encoded), err
}

// grantedRoles are the application permissions that a token of Graph names, and
// whether it names any: Microsoft calls its format private, so nothing is
// decided by what cannot be read.
func grantedRoles(token string) (map[string]bool, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, false
	}
	var claims struct {
		Roles *[]string `json:"roles"`
	}
	if json.Unmarshal(body, &claims) != nil || claims.Roles == nil {
		return nil, false
	}
	roles := map[string]bool{}
	for _, role := range *claims.Roles {
		roles[role] = true
	}
	return roles, true
}
