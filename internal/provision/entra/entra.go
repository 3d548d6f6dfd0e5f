/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tegata.dev/tegata/internal/provision"
)

// Target is a tenant of Microsoft Entra ID.
type Target struct {
	options Options
	tokens  *tokens
	writes  *gatherer
	// mapping fills properties; names are those that are compared, sorted.
	mapping []provision.Attribute
	names   []string
	// graphOrigin is where pages of Graph are.
	graphOrigin string
	// fields is the $select of a user.
	fields string
	// pressedUntil is when the limit of Graph is no longer taken for nearly used
	// up, in nanoseconds of Unix time.
	pressedUntil atomic.Int64

	mu sync.Mutex
	// initial is the tenant's first domain, once it is known.
	initial string
}

var (
	_ provision.Target       = &Target{}
	_ provision.DeviceTarget = &Target{}
)

// New makes a target. The error is a sentence without a full stop that says what
// to do.
func New(o Options) (*Target, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	o.Endpoints.Login = strings.TrimSuffix(o.Endpoints.Login, "/")
	o.Endpoints.Graph = strings.TrimSuffix(o.Endpoints.Graph, "/")
	o.TenantID, o.ClientID = strings.ToLower(o.TenantID), strings.ToLower(o.ClientID)
	o.Roles = slices.Clone(o.Roles)
	for i := range o.Roles {
		o.Roles[i].DirectoryRole = strings.ToLower(o.Roles[i].DirectoryRole)
	}
	t := &Target{options: o, tokens: newTokens(o), mapping: o.mapping()}
	t.writes = newGatherer(t.sendWrites)
	t.names = []string{nicknameProperty}
	for _, attribute := range t.mapping {
		if attribute.Name != upnProperty && !slices.Contains(t.names, attribute.Name) {
			t.names = append(t.names, attribute.Name)
		}
	}
	slices.Sort(t.names)
	t.fields = selected(t.names)
	address, err := url.Parse(o.Endpoints.Graph)
	if err != nil {
		return nil, errors.New("the address of Microsoft Graph is no URL; set spec.entraID.endpoints.graph to an origin")
	}
	t.graphOrigin = origin(address)
	return t, nil
}

// String implements fmt.Stringer; it shows none of the credentials, which fmt
// finds in fields that are not exported.
func (t *Target) String() string { return "Entra ID tenant " + t.options.TenantID }

// GoString implements fmt.GoStringer.
func (t *Target) GoString() string { return t.String() }
