/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/graph"
)

func TestListFollowsPages(t *testing.T) {
	s := newSite(t, graph.Options{Limits: graph.Unlimited}, nil)
	for n := range 2500 {
		s.tenant.AddUser(fmt.Sprintf("user%d@acme.example", n), nil)
	}
	seen := map[string]bool{}
	s.Expect(s.List(t.Context(), func(a provision.Account) error {
		seen[a.UserName] = true
		return nil
	})).To(Succeed())
	s.Expect(seen).To(HaveLen(2500))
	s.Expect(s.tenant.Counts()["GET /users"]).To(Equal(3))
	s.Expect(s.tenant.Calls()[1].Priority).To(Equal("low"))

	stop := errors.New("enough")
	s.Expect(s.List(t.Context(), func(provision.Account) error { return stop })).To(MatchError(stop))
	for name, fault := range map[string]graph.Fault{
		"cut": {Cut: true}, "half": {Half: true}, "HTML": graph.HTML(), "nonsense": graph.Nonsense(), "server error": graph.ServerError(), "throttled": graph.Throttled("0.249"),
	} {
		fault.Path, fault.After = "/users", 2
		remove := s.tenant.Inject(fault)
		err := s.List(t.Context(), func(provision.Account) error { return nil })
		remove()
		s.Expect(err).To(HaveOccurred(), name)
		s.Expect(provision.CauseOf(err).Passes()).To(BeTrue(), name)
	}
}

// Pages lead nowhere but to Graph, and not in circles.
func TestNextPages(t *testing.T) {
	for name, next := range map[string]string{
		"another host": `"https://elsewhere.example/v1.0/users?$skiptoken=x"`, "another scheme": `"ftp://HOST/v1.0/users"`, "credentials": `"http://user:pass@HOST/v1.0/users"`,
		"the same": `"http://HOST/v1.0/users?$skiptoken=x"`, "number": `1`, "empty": `""`, "relative": `"/v1.0/users?$skiptoken=x"`,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var calls atomic.Int32
			target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/token") {
					answerJSON(w, 200, `{"expires_in":3599,"access_token":"x"}`)
					return
				}
				calls.Add(1)
				answerJSON(w, 200, `{"value":[{"id":"1"}],"@odata.nextLink":`+strings.ReplaceAll(next, "HOST", r.Host)+`}`)
			}), nil)
			err := target.List(t.Context(), func(provision.Account) error { return nil })
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
			g.Expect(calls.Load()).To(BeNumerically("<=", 2))
		})
	}
}

// A list that never ends must not fill the memory.
func TestEndlessPages(t *testing.T) {
	g := NewWithT(t)
	page := strings.TrimSuffix(strings.Repeat(`{},`, 100_000), ",")
	var calls atomic.Int32
	target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			answerJSON(w, 200, `{"expires_in":3599,"access_token":"x"}`)
			return
		}
		answerJSON(w, 200, fmt.Sprintf(`{"value":[%s],"@odata.nextLink":"http://%s/v1.0/users?$skiptoken=%d"}`, page, r.Host, calls.Add(1)))
	}), nil)
	everything := request{method: http.MethodGet, path: "/users"}
	g.Expect(target.pages(t.Context(), everything, func(user) error { return nil })).To(MatchError(ContainSubstring("does not end")))
	g.Expect(calls.Load()).To(BeEquivalentTo(10))
}

func TestOrigins(t *testing.T) {
	g := NewWithT(t)
	for _, endpoint := range []string{"https://graph.microsoft.com", "https://Graph.microsoft.com:443", "https://graph.microsoft.com/"} {
		target := newTarget(t, func(o *Options) { o.Endpoints.Graph = endpoint })
		for address, want := range map[string]bool{
			"https://graph.microsoft.com/v1.0/users?$skiptoken=x": true, "https://GRAPH.microsoft.com:443/v1.0/users": true,
			"http://graph.microsoft.com/v1.0/users": false, "https://graph.microsoft.com:80/": false, "https://graph.microsoft.com.evil.example/": false,
			"https://graph.microsoft.com@evil.example/": false, "//graph.microsoft.com/": false, "https://graph.microsoft.com\\@evil.example/": false,
		} {
			g.Expect(target.ours(address)).To(Equal(want), "%s: %s", endpoint, address)
		}
	}
}

func TestWritesGoInBatches(t *testing.T) {
	s := newSite(t, graph.Options{Limits: graph.Unlimited}, nil)
	// One that is taken, which must fail alone.
	s.tenant.AddUser("person.7@acme.example", nil)
	const count = 300
	var all sync.WaitGroup
	var failed atomic.Int32
	for n := range count {
		all.Go(func() {
			made, err := s.Create(context.Background(), s.desire(person(n)))
			if n == 7 {
				s.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))
				failed.Add(1)
				return
			}
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(s.tenant.User(made.ExternalID)).To(HaveKeyWithValue("userPrincipalName", fmt.Sprintf("person.%d@acme.example", n)))
		})
	}
	all.Wait()
	s.Expect(failed.Load()).To(BeEquivalentTo(1))
	s.Expect(s.tenant.Users()).To(HaveLen(count))
	s.Expect(s.tenant.Counts()["POST /users"]).To(Equal(count))
	s.Expect(s.tenant.Counts()["POST /$batch"]).To(BeNumerically("<", count/2))
}

func TestItemsOfABatchFailAlone(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	made := s.create(taro())
	s.tenant.Inject(graph.Fault{Method: "PATCH", Path: "/users/*", Times: 1, Status: 429, Code: "TooManyRequests", Header: map[string]string{"Retry-After": "2.5"}})
	err := s.Disable(t.Context(), *made)
	e := s.failure(err)
	s.Expect(e.Cause).To(Equal(provision.Throttled))
	s.Expect(e.RetryAfter).To(Equal(2500 * time.Millisecond))
	s.Expect(s.tenant.Counts()).NotTo(HaveKey("POST /users/"+made.ExternalID+"/revokeSignInSessions"), "what depends on it is not done")
	s.Expect(s.Disable(t.Context(), *made)).To(Succeed())
	s.tenant.Inject(graph.Fault{Method: "POST", Path: "/users/*", Times: 1, Status: 403, Code: "Authorization_RequestDenied"})
	err = s.Disable(t.Context(), *made)
	s.Expect(s.failure(err).Message).To(ContainSubstring("User.RevokeSessions.All"))
}

func TestBatchesThatCannotBeBelieved(t *testing.T) {
	for name, body := range map[string]string{
		"one is missing": `{"responses":[{"id":"1","status":404,"body":{}}]}`,
		"one twice":      `{"responses":[{"id":"1","status":404,"body":{}},{"id":"1","status":404,"body":{}}]}`,
		"another's":      `{"responses":[{"id":"1","status":404,"body":{}},{"id":"3","status":404,"body":{}}]}`,
		"no status":      `{"responses":[{"id":"1","status":404,"body":{}},{"id":"2","body":{}}]}`,
		"no responses":   `{"responses":null}`,
		"no ID":          `{"responses":[{"id":"1","status":404,"body":{}},{"id":null,"status":200,"body":{}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/token") {
					answerJSON(w, 200, `{"expires_in":3599,"access_token":"x"}`)
					return
				}
				answerJSON(w, 200, body)
			}), nil)
			_, err := target.Find(t.Context(), provision.Reference{CorrelationID: immutableID})
			NewWithT(t).Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable), "never that it is not there")
		})
	}
}

// A success that is none of Graph's must not pass for a deletion.
func TestNonsenseIsNoSuccess(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	made := s.create(taro())
	remove := s.tenant.Inject(graph.Nonsense())
	defer remove()
	for name, act := range map[string]func() error{
		"create":  func() error { _, err := s.Create(t.Context(), s.desire(person(1))); return err },
		"disable": func() error { return s.Disable(t.Context(), *made) },
		"delete":  func() error { return s.Delete(t.Context(), *made) },
		"restore": func() error { _, err := s.Restore(t.Context(), *made); return err },
		"update":  func() error { _, err := s.Update(t.Context(), *made, s.desire(person(1))); return err },
		"find": func() error {
			_, err := s.Find(t.Context(), provision.Reference{CorrelationID: immutableID})
			return err
		},
		"by name": func() error {
			_, err := s.Find(t.Context(), provision.Reference{UserName: "x@acme.example"})
			return err
		},
	} {
		s.Expect(provision.CauseOf(act())).To(Equal(provision.Unavailable), name)
		s.Expect(act()).To(HaveOccurred(), name)
	}
}

func TestSomebodyWhoHasNoTimeIsNotWaitedFor(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	made := s.create(taro())
	remove := s.tenant.Inject(graph.Fault{Method: "PATCH", Path: "/users/*", Hang: true})
	defer remove()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	desired := s.desire(taro())
	desired.Properties["surname"] = "鈴木"
	_, err := s.Update(ctx, *made, desired)
	s.Expect(err).To(MatchError(context.DeadlineExceeded))
}

func TestThrottling(t *testing.T) {
	s := newSite(t, graph.Options{Limits: graph.Limits{Writes: 10}, RetryAfter: "0.249"}, nil)
	for n := range 10 {
		s.create(person(n))
	}
	_, err := s.Create(t.Context(), s.desire(person(10)))
	e := s.failure(err)
	s.Expect(e.Cause).To(Equal(provision.Throttled))
	s.Expect(e.RetryAfter).To(Equal(249 * time.Millisecond))
	s.Expect(e.Message).To(And(ContainSubstring("WriteLimitExceeded"), ContainSubstring("Tenant_Application")))
	s.tenant.Advance(3 * time.Minute)
	s.create(person(10))
}

func TestBudget(t *testing.T) {
	g := NewWithT(t)
	now := &clock{now: time.Now()}
	target := newTarget(t, func(o *Options) { o.Budget, o.Now = provision.NewBudget(1), now.Now })
	within := func(n int) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return target.spend(ctx, n)
	}
	g.Expect(within(1)).To(Succeed())
	g.Expect(provision.CauseOf(within(1))).To(Equal(provision.Unavailable))

	target = newTarget(t, func(o *Options) { o.Budget, o.Now = provision.NewBudget(1), now.Now })
	target.notePressure(http.Header{"X-Ms-Throttle-Limit-Percentage": {"0.95"}})
	g.Expect(within(1)).NotTo(Succeed(), "twice as dear while the limit is nearly used up")
	target = newTarget(t, func(o *Options) { o.Budget, o.Now = provision.NewBudget(1), now.Now })
	target.notePressure(http.Header{"X-Ms-Throttle-Limit-Percentage": {"0.95"}})
	now.move(pressedFor)
	g.Expect(within(1)).To(Succeed())
}

func TestSecretsThatAreRepeated(t *testing.T) {
	g := NewWithT(t)
	var sent atomic.Value
	target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			answerJSON(w, 200, `{"expires_in":3599,"access_token":"the-token"}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, after, _ := strings.Cut(string(body), `"password":"`)
		password, _, _ := strings.Cut(after, `"`)
		sent.Store(password)
		answerJSON(w, 400, fmt.Sprintf(`{"error":{"code":"Request_BadRequest","message":"Bad: %s %s %s"}}`, "the-token", "the-client-secret", password))
	}), func(o *Options) { o.ClientSecret = "the-client-secret" })
	desired, err := target.Desire(taro())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = target.Create(t.Context(), desired)
	g.Expect(err).To(HaveOccurred())
	g.Expect(sent.Load()).To(HaveLen(passwordLength))
	for _, secret := range []string{"the-token", "the-client-secret", sent.Load().(string)} {
		g.Expect(fmt.Sprintf("%v %+v %#v", err, err, err)).NotTo(ContainSubstring(secret))
	}
}
