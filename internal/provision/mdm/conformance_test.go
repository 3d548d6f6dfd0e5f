/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
	"tegata.dev/tegata/internal/provision/provisiontest"
	double "tegata.dev/tegata/test/doubles/mdm"
)

// site is a service that keeps the contract, checked call by call, and a target.
type site struct {
	*Target
	service *double.Server
}

func newSite(t *testing.T, options double.Options, change func(*Options)) site {
	t.Helper()
	service := double.New(options)
	// What is broken on purpose need not be the contract's.
	return site{target(t, httptest.NewServer(checked(t, service)), change), service}
}

// target is a target at a server, with 1000 writes a second.
func target(t *testing.T, server *httptest.Server, change func(*Options)) *Target {
	t.Helper()
	t.Cleanup(server.Close)
	o := Options{
		URL: server.URL + double.Path, Token: double.DefaultToken, Budget: provision.NewBudget(1000),
		HTTP: client.New(client.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Timeout: 5 * time.Second}),
	}
	t.Cleanup(o.HTTP.Close)
	if change != nil {
		change(&o)
	}
	made, err := New(o)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return made
}

// breaker lets every call fail as provisiontest wants it.
func breaker(service *double.Server) func(provisiontest.Failure) (mend func()) {
	return func(failure provisiontest.Failure) func() {
		if failure == provisiontest.Unauthorized {
			service.SetToken("another", false)
			return func() { service.SetToken(double.DefaultToken, false) }
		}
		return service.Inject(map[provisiontest.Failure]double.Fault{
			provisiontest.ServerError: double.ServerError(), provisiontest.HTML: double.HTML(), provisiontest.Nonsense: double.Nonsense(),
			provisiontest.Truncated: {Cut: true}, provisiontest.Half: {Half: true}, provisiontest.Hang: {Hang: true},
			provisiontest.Throttled: double.Throttled("7"), provisiontest.Forbidden: double.Forbidden(),
			provisiontest.SecondPage: {Path: "/users", After: 1, Cut: true},
		}[failure])
	}
}

func TestConformance(t *testing.T) {
	provisiontest.Run(t, func(t *testing.T) provisiontest.Service {
		service := double.New(double.Options{})
		return provisiontest.Service{
			Target: target(t, httptest.NewServer(service), nil), Domain: "acme.example", Many: 250, Secrets: []string{double.DefaultToken},
			Add:     func(userName string) string { return service.AddUser(userName, nil) },
			Remove:  service.DeleteUser,
			Count:   func() int { return len(service.Users()) },
			Break:   breaker(service),
			Refused: func(member *directory.Member) { member.Person.Family = "髙橋" },
		}
	})
}
