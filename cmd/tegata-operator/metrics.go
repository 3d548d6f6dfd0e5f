/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// reviewTimeout bounds the API server's two answers about one scrape.
const reviewTimeout = 10 * time.Second

// metricsOptions serve nothing, anybody, or whoever may get /metrics.
func metricsOptions(o options) metricsserver.Options {
	served := metricsserver.Options{BindAddress: o.metrics}
	if o.metricsSecure {
		// The certificate signs itself: the reader's token is what is checked.
		served.SecureServing = true
		served.FilterProvider = reviewed
	}
	return served
}

// reviewed lets those through whose bearer token the API server knows and who
// may get the path. controller-runtime's filter does the same and more, by
// k8s.io/apiserver, which would double the program for two requests.
func reviewed(config *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	clients, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return func(log logr.Logger, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, err := review(r, clients)
			if err != nil {
				log.Error(err, "Failed to ask who reads the metrics")
			}
			if status != http.StatusOK {
				http.Error(w, http.StatusText(status), status)
				return
			}
			next.ServeHTTP(w, r)
		}), nil
	}, nil
}

// review answers 200 where the request may pass, and otherwise the status to answer with.
func review(r *http.Request, clients kubernetes.Interface) (int, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return http.StatusUnauthorized, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), reviewTimeout)
	defer cancel()
	who, err := authenticate(ctx, clients, strings.TrimSpace(token))
	switch {
	case err != nil:
		return http.StatusInternalServerError, err
	case who == nil:
		return http.StatusUnauthorized, nil
	}
	allowed, err := authorize(ctx, clients, who, r)
	switch {
	case err != nil:
		return http.StatusInternalServerError, err
	case !allowed:
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}

// authenticate returns whose token it is, nil where it is nobody's.
func authenticate(ctx context.Context, clients kubernetes.Interface, token string) (*authenticationv1.UserInfo, error) {
	answer, err := clients.AuthenticationV1().TokenReviews().Create(ctx,
		&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("review a token: %w", err)
	}
	if !answer.Status.Authenticated {
		return nil, nil
	}
	return &answer.Status.User, nil
}

// authorize tells whether the user may do to the path what the request does.
func authorize(ctx context.Context, clients kubernetes.Interface, who *authenticationv1.UserInfo, r *http.Request) (bool, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(who.Extra))
	for key, values := range who.Extra {
		extra[key] = authorizationv1.ExtraValue(values)
	}
	answer, err := clients.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: who.Username, UID: who.UID, Groups: who.Groups, Extra: extra,
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: r.URL.Path, Verb: strings.ToLower(r.Method)},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("review an access: %w", err)
	}
	return answer.Status.Allowed, nil
}
