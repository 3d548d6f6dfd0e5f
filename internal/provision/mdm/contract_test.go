/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	. "github.com/onsi/gomega"
)

const contractFile = "../../../docs/mdm-openapi.yaml"

// contract is docs/mdm-openapi.yaml.
var contract = sync.OnceValues(func() (*openapi3.T, error) {
	document, err := openapi3.NewLoader().LoadFromFile(contractFile)
	if err != nil {
		return nil, err
	}
	// Whatever address a server has.
	document.Servers = openapi3.Servers{{URL: "/api"}}
	return document, nil
})

func TestContractIsOpenAPI(t *testing.T) {
	g := NewWithT(t)
	document, err := openapi3.NewLoader().LoadFromFile(contractFile)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(document.IsOpenAPI31OrLater()).To(BeTrue())
	g.Expect(document.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation(), openapi3.EnableSchemaPatternValidation())).To(Succeed())
}

// Every code of the contract means something to the target.
func TestContractsCodesAreKnown(t *testing.T) {
	g := NewWithT(t)
	document, err := contract()
	g.Expect(err).NotTo(HaveOccurred())
	described := document.Components.Schemas["Problem"].Value.Properties["code"].Value
	passing := []any{"bad_request", "cursor_expired", "not_found", "internal", "unavailable"}
	for _, code := range described.Enum {
		g.Expect(described.Description).To(ContainSubstring("| `" + code.(string) + "` |"))
		cause, message := problem{Code: code.(string)}.cause()
		if cause == "" {
			g.Expect(passing).To(ContainElement(code))
			continue
		}
		g.Expect(message).To(MatchRegexp(`^[A-Z].*\.$`))
	}
}

// checked is a handler whose requests and answers must be the contract's.
func checked(t *testing.T, handler http.Handler) http.Handler {
	t.Helper()
	document, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		recorded := httptest.NewRecorder()
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(recorded, r)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err := check(router, r, recorded); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		for name, values := range recorded.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(recorded.Body.Bytes())
	})
}

func check(router routers.Router, r *http.Request, recorded *httptest.ResponseRecorder) error {
	route, parameters, err := router.FindRoute(r)
	if err != nil {
		return fmt.Errorf("no path of the contract: %w", err)
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		return fmt.Errorf("the request: %w", err)
	}
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("the request has %s, which the contract has not", name)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: recorded.Code, Header: recorded.Header(), Body: io.NopCloser(bytes.NewReader(recorded.Body.Bytes())), Options: options,
	}
	if err := openapi3filter.ValidateResponse(r.Context(), answer); err != nil {
		return fmt.Errorf("the answer %d: %w", recorded.Code, err)
	}
	return nil
}
