/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision/provisiontest"
	"tegata.dev/tegata/internal/provision/scim"
)

// TestSCIMConformance: what every target promises, against a service that others
// wrote, with the failures of a gateway before it.
func TestSCIMConformance(t *testing.T) {
	for _, updates := range []string{scim.Patch, scim.Put} {
		t.Run(updates, func(t *testing.T) {
			t.Parallel()
			service := &scimService{address: startSCIM(t, updates == scim.Patch)}
			provisiontest.Run(t, func(t *testing.T) provisiontest.Service {
				s := &scimService{WithT: NewWithT(t), t: t, address: service.address}
				for _, id := range s.ids() {
					s.call(http.MethodDelete, "/Users/"+id, nil)
				}
				gateway := newGateway(t, service.address)
				return provisiontest.Service{
					Target: newSCIM(t, gateway.url, nil), Domain: "acme.example", Many: 120, Secrets: []string{scimToken},
					Add:    s.add,
					Remove: func(id string) { s.call(http.MethodDelete, "/Users/"+id, nil) },
					Count:  func() int { return len(s.ids()) },
					Break:  gateway.fail,
				}
			})
		})
	}
}

// scimService is what somebody else does at the service.
type scimService struct {
	*WithT
	t       *testing.T
	address string
}

func (s *scimService) call(method, path string, body any) map[string]any {
	s.t.Helper()
	var encoded []byte
	if body != nil {
		var err error
		encoded, err = json.Marshal(body)
		s.Expect(err).NotTo(HaveOccurred())
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, bytes.NewReader(encoded))
	s.Expect(err).NotTo(HaveOccurred())
	request.Header = http.Header{"Authorization": {"Bearer " + scimToken}, "Content-Type": {"application/scim+json"}, "Accept": {"application/scim+json"}}
	response, err := http.DefaultClient.Do(request)
	s.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }() // read
	read, err := io.ReadAll(response.Body)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(response.StatusCode).To(BeNumerically("<", 300), "%s", read)
	var answer map[string]any
	if len(read) > 0 {
		s.Expect(json.Unmarshal(read, &answer)).To(Succeed())
	}
	return answer
}

func (s *scimService) add(userName string) string {
	s.t.Helper()
	id, _ := s.call(http.MethodPost, "/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": userName, "active": true})["id"].(string)
	return id
}

// ids are those of all users, from the last page on, so that all can be deleted.
func (s *scimService) ids() []string {
	s.t.Helper()
	var ids []string
	for {
		page := s.call(http.MethodGet, "/Users?count=50&startIndex="+strconv.Itoa(len(ids)+1), nil)
		resources, _ := page["Resources"].([]any)
		for _, each := range resources {
			resource, _ := each.(map[string]any)
			id, _ := resource["id"].(string)
			ids = append(ids, id)
		}
		if total, _ := page["totalResults"].(float64); len(ids) >= int(total) || len(resources) == 0 {
			return ids
		}
	}
}

// gateway stands before a service, and fails in its stead.
type gateway struct {
	url     string
	failure atomic.Value
}

func newGateway(t *testing.T, address string) *gateway {
	t.Helper()
	service, err := url.Parse(address)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	g := &gateway{}
	g.failure.Store(provisiontest.Failure(""))
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = service.Scheme, service.Host },
		ModifyResponse: g.spoil,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.answers(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	g.url = server.URL + service.Path
	return g
}

func (g *gateway) fail(failure provisiontest.Failure) func() {
	g.failure.Store(failure)
	return func() { g.failure.Store(provisiontest.Failure("")) }
}

// answers is true where the service is not asked.
func (g *gateway) answers(w http.ResponseWriter, r *http.Request) bool {
	answer := func(status int, contentType, body string) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	switch g.failure.Load() {
	case provisiontest.ServerError:
		answer(http.StatusInternalServerError, "text/plain", "out of order")
	case provisiontest.HTML:
		answer(http.StatusOK, "text/html", "<html>Maintenance</html>")
	case provisiontest.Nonsense:
		answer(http.StatusOK, "application/scim+json", `{"weather":"fine"}`)
	case provisiontest.Hang:
		// What is never read would hide that the caller gave up.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case provisiontest.Throttled:
		w.Header().Set("Retry-After", "7")
		answer(http.StatusTooManyRequests, "text/html", "<html>Too many</html>")
	case provisiontest.Unauthorized:
		answer(http.StatusUnauthorized, "application/scim+json", `{"detail":"the token `+scimToken+` is revoked","status":"401"}`)
	case provisiontest.Forbidden:
		answer(http.StatusForbidden, "application/scim+json", `{"detail":"not with this token","status":"403"}`)
	default:
		return false
	}
	return true
}

// spoil cuts off what the service answered.
func (g *gateway) spoil(response *http.Response) error {
	failure := g.failure.Load()
	second := response.Request.URL.Query().Get("startIndex")
	if failure == provisiontest.SecondPage && second != "" && second != "1" {
		failure = provisiontest.Half
	}
	if failure != provisiontest.Half && failure != provisiontest.Truncated {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	half := string(body[:len(body)/2])
	response.Body = io.NopCloser(strings.NewReader(half))
	if failure == provisiontest.Half {
		response.ContentLength = int64(len(half))
		response.Header.Set("Content-Length", strconv.Itoa(len(half)))
	}
	return nil
}
