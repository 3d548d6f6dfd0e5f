/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"net/http"
	"testing"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision/provisiontest"
	"tegata.dev/tegata/test/doubles/graph"
)

const clientSecret = "hidden-value-7c1f"

func conformingApp(secret string) graph.App {
	return graph.App{ClientID: graph.DefaultClientID, Secrets: []graph.Secret{{Value: secret}}, Permissions: graph.AllPermissions()}
}

// register changes the app until the function that it returns is called. Tokens
// that were given before end.
func register(tenant *graph.Server, app graph.App) (undo func()) {
	tenant.SetApp(app)
	tenant.Revoke()
	return func() {
		tenant.SetApp(conformingApp(clientSecret))
		tenant.Revoke()
	}
}

// breakGraph lets every call fail as provisiontest wants it.
func breakGraph(tenant *graph.Server) func(provisiontest.Failure) (mend func()) {
	return func(failure provisiontest.Failure) func() {
		fault := map[provisiontest.Failure]graph.Fault{
			provisiontest.ServerError: graph.ServerError(), provisiontest.HTML: graph.HTML(), provisiontest.Nonsense: graph.Nonsense(),
			provisiontest.Truncated: {Cut: true}, provisiontest.Half: {Half: true}, provisiontest.Hang: {Hang: true},
			provisiontest.Throttled:  graph.Throttled("7"),
			provisiontest.SecondPage: {Method: http.MethodGet, Path: "/users", After: 1, Cut: true},
		}[failure]
		switch failure {
		case provisiontest.Nonsense, provisiontest.HTML:
			// The log-in service works.
			fault.Path = "/*"
		case provisiontest.Unauthorized:
			return register(tenant, conformingApp("another"))
		case provisiontest.Forbidden:
			return register(tenant, graph.App{ClientID: graph.DefaultClientID, Secrets: []graph.Secret{{Value: clientSecret}}})
		}
		return tenant.Inject(fault)
	}
}

func TestConformance(t *testing.T) {
	provisiontest.Run(t, func(t *testing.T) provisiontest.Service {
		delay := time.Duration(0)
		s := newSite(t, graph.Options{Limits: graph.Unlimited, Apps: []graph.App{conformingApp(clientSecret)}}, func(o *Options) { o.ClientSecret = clientSecret })
		return provisiontest.Service{
			Target: s.Target, Domain: "acme.example", Restores: true, Many: 2100, Secrets: []string{clientSecret},
			Add:    func(userName string) string { return s.tenant.AddUser(userName, nil) },
			Remove: s.tenant.PurgeUser,
			Count:  func() int { return len(s.tenant.Users()) },
			Break:  breakGraph(s.tenant),
			Lag: func() {
				delay = time.Minute
				s.tenant.SetReplicationDelay(delay)
			},
			Settle:  func() { s.tenant.Advance(delay) },
			Refused: func(member *directory.Member) { member.Mail = "hana+ko@acme.example" },
		}
	})
}
