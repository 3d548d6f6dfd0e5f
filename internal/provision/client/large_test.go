/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package client

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// TestLargeAnswers: only a success that is asked for may be large, and has an end too.
func TestLargeAnswers(t *testing.T) {
	large := `"` + strings.Repeat("x", 3<<20) + `"`
	for name, test := range map[string]struct {
		answer  http.HandlerFunc
		allowed bool
		want    string
	}{
		"not allowed": {answer(200, "application/json", large), false, "more than 1 MB"},
		"allowed":     {answer(200, "application/json", large), true, ""},
		"an error":    {answer(400, "application/json", large), true, "more than 1 MB"},
		"endless":     {endless, true, "more than 16 MB"},
		"broken off":  {answer(200, "application/json", large[:2<<20]), true, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := httptest.NewServer(test.answer)
			defer s.Close()
			c := New(Options{Allowed: loopback})
			defer c.Close()
			got := ""
			response, err := c.Do(t.Context(), Request{Method: http.MethodGet, URL: s.URL, Large: test.allowed, Parse: func(body []byte) error {
				got = string(body)
				return nil
			}})
			if test.want != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.want)))
				g.Expect(got).To(BeEmpty())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got == large).To(BeTrue(), "the whole answer is parsed")
			g.Expect(response.Body).To(BeNil())
		})
	}
}

// TestLargeAtOnce: few large answers are in memory at once, whoever asks; small
// ones do not wait for them, and an error of Parse is passed on.
func TestLargeAtOnce(t *testing.T) {
	g := NewWithT(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := 2 << 20
		if r.URL.Path == "/small" {
			size = 10
		}
		answer(200, "application/json", `"`+strings.Repeat("x", size)+`"`)(w, r)
	}))
	defer s.Close()
	parsing, goOn := make(chan struct{}, 2*largeAtOnce), make(chan struct{})
	var all sync.WaitGroup
	for range 2 * largeAtOnce {
		all.Go(func() {
			c := New(Options{Allowed: loopback})
			defer c.Close()
			_, err := c.Do(t.Context(), Request{Method: http.MethodGet, URL: s.URL, Large: true, Parse: func([]byte) error {
				parsing <- struct{}{}
				<-goOn
				return nil
			}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.Eventually(parsing).Should(HaveLen(largeAtOnce))
	g.Consistently(parsing, "200ms").Should(HaveLen(largeAtOnce))

	c := New(Options{Allowed: loopback, Timeout: 300 * time.Millisecond})
	defer c.Close()
	_, err := c.Do(t.Context(), Request{Method: http.MethodGet, URL: s.URL, Large: true})
	g.Expect(err).To(MatchError(ContainSubstring("Too many services give large answers")))
	cause := errors.New("no page")
	_, err = c.Do(t.Context(), Request{Method: http.MethodGet, URL: s.URL + "/small", Large: true, Parse: func([]byte) error { return cause }})
	g.Expect(err).To(MatchError(cause))

	close(goOn)
	all.Wait()
	g.Expect(parsing).To(HaveLen(2 * largeAtOnce))
	g.Expect(large).To(BeEmpty())
}
