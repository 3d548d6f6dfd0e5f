/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package fault

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/gomega"
)

// service answers everything with a body, and paths below /empty without one.
type service struct {
	Faults
	arrived chan string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.arrived != nil {
		s.arrived <- r.URL.Path
	}
	a := Answer{Status: http.StatusOK, Header: map[string]string{"X-From": "service"}, ContentType: "application/json", Body: Encode(map[string]string{"name": "Hanako"})}
	if r.URL.Path == "/empty" {
		a = Answer{Status: http.StatusNoContent}
	}
	f := s.Take(r.Method, r.URL.Path)
	if f.Refuses() {
		a.Status, a.Header, a.Body = f.Status, f.Header, Encode(map[string]string{"code": f.Code})
	}
	s.Send(w, r, a, f)
}

type answered struct {
	status int
	header http.Header
	body   string
	err    error
}

func (s *service) ask(ctx context.Context, url, method, path string) answered {
	request, err := http.NewRequestWithContext(ctx, method, url+path, nil)
	if err != nil {
		return answered{err: err}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answered{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answered{response.StatusCode, response.Header, string(body), err}
}

func newService(t *testing.T) (*WithT, *service, string) {
	s := &service{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(s.Close)
	return NewWithT(t), s, server.URL
}

func TestWhichCallsFail(t *testing.T) {
	g := NewWithT(t)
	var s Faults
	g.Expect(s.Take(http.MethodGet, "/users")).To(BeNil())
	remove := s.Inject(Fault{Method: http.MethodPost, Path: "/users/*", After: 1, Times: 2, Code: "a"})
	s.Inject(Fault{Path: "/users", Times: 1, Code: "b"})
	for _, passing := range []string{"/groups/7", "/users-7"} {
		g.Expect(s.Take(http.MethodPost, passing)).To(BeNil(), passing)
	}
	g.Expect(s.Take(http.MethodGet, "/users/7")).To(BeNil(), "another method")
	g.Expect(s.Take(http.MethodPost, "/users/7")).To(BeNil(), "the first one succeeds")
	for range 2 {
		g.Expect(s.Take(http.MethodPost, "/users/8")).To(HaveField("Code", "a"))
	}
	g.Expect(s.Take(http.MethodPost, "/users/8")).To(BeNil(), "two fail")
	g.Expect(s.Take(http.MethodPut, "/users")).To(HaveField("Code", "b"))
	g.Expect(s.Take(http.MethodPut, "/users")).To(BeNil())
	remove()

	remove = s.Inject(Fault{Code: "c"})
	for range 3 {
		g.Expect(s.Take(http.MethodGet, "/")).To(HaveField("Code", "c"), "without end")
	}
	remove()
	g.Expect(s.Take(http.MethodGet, "/")).To(BeNil())
}

func TestWhatFaultsAre(t *testing.T) {
	g := NewWithT(t)
	var none *Fault
	g.Expect([]bool{none.Performs(), none.Refuses(), none.Silences()}).To(Equal([]bool{true, false, false}))
	for name, test := range map[string]struct {
		fault                       Fault
		performs, refuses, silences bool
	}{
		"refused":  {Fault{Status: 503}, false, true, false},
		"unseen":   {Fault{Status: 503, Carried: true}, true, true, false},
		"HTML":     {HTML(), false, false, false},
		"nonsense": {Nonsense(), false, false, false},
		"hangs":    {Fault{Hang: true}, false, false, true},
		"cut":      {Fault{Cut: true}, true, false, true},
		"half":     {Fault{Half: true}, true, false, false},
	} {
		g.Expect([]bool{test.fault.Performs(), test.fault.Refuses(), test.fault.Silences()}).To(Equal([]bool{test.performs, test.refuses, test.silences}), name)
	}
}

func TestAnswers(t *testing.T) {
	g, s, url := newService(t)
	ask := func(method, path string, f *Fault) answered {
		if f != nil {
			defer s.Inject(*f)()
		}
		return s.ask(t.Context(), url, method, path)
	}
	whole := ask(http.MethodGet, "/users", nil)
	g.Expect(whole.err).NotTo(HaveOccurred())
	g.Expect(whole.body).To(MatchJSON(`{"name":"Hanako"}`))
	g.Expect(whole.header).To(And(HaveKeyWithValue("X-From", []string{"service"}), HaveKeyWithValue("Content-Type", []string{"application/json"})))
	head := ask(http.MethodHead, "/users", nil)
	g.Expect(head.err).NotTo(HaveOccurred())
	g.Expect(head.body).To(BeEmpty())

	half := ask(http.MethodGet, "/users", &Fault{Half: true})
	g.Expect(half.err).NotTo(HaveOccurred(), "it looks whole")
	g.Expect(whole.body).To(HavePrefix(half.body))
	g.Expect(json.Valid([]byte(half.body))).To(BeFalse())
	g.Expect(errors.Is(ask(http.MethodGet, "/users", &Fault{Cut: true}).err, io.ErrUnexpectedEOF)).To(BeTrue())
	g.Expect(ask(http.MethodDelete, "/empty", &Fault{Cut: true}).status).To(Equal(http.StatusNoContent), "there is nothing to cut")

	page := HTML()
	page.Header = map[string]string{"Via": "proxy"}
	html := ask(http.MethodDelete, "/empty", &page)
	g.Expect(html.status).To(Equal(http.StatusOK))
	g.Expect(html.header).To(And(HaveKeyWithValue("Content-Type", []string{"text/html; charset=utf-8"}), HaveKeyWithValue("Via", []string{"proxy"})))
	nonsense := Nonsense()
	g.Expect(json.Valid([]byte(ask(http.MethodGet, "/users", &nonsense).body))).To(BeTrue())
	refused := ask(http.MethodGet, "/users", &Fault{Status: http.StatusTooManyRequests, Code: "slow", Header: map[string]string{"Retry-After": "7"}})
	g.Expect(refused.status).To(Equal(http.StatusTooManyRequests))
	g.Expect(refused.body).To(MatchJSON(`{"code":"slow"}`))
	g.Expect(refused.header.Get("Retry-After")).To(Equal("7"))
}

// TestHangs until the client has enough, or the fault is taken away.
func TestHangs(t *testing.T) {
	g, s, url := newService(t)
	s.arrived = make(chan string, 1)
	remove := s.Inject(Fault{Hang: true})
	ended := make(chan error, 1)
	ask := func(ctx context.Context) {
		go func() { ended <- s.ask(ctx, url, http.MethodGet, "/users").err }()
		g.Eventually(s.arrived).Should(Receive())
		g.Consistently(ended, "50ms").ShouldNot(Receive())
	}
	short, cancel := context.WithCancel(t.Context())
	ask(short)
	cancel()
	g.Eventually(ended).Should(Receive(MatchError(context.Canceled)))
	ask(t.Context())
	remove()
	g.Eventually(ended).Should(Receive(HaveOccurred()))
	g.Expect(s.Take(http.MethodGet, "/users")).To(BeNil())
}
