/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/password"
)

// problem is an error that a person reads: a page with a title and a text.
type problem struct {
	status int
	// key has a title and a text in the catalogue: problem.<key>.title and .text.
	key       string
	arguments []any
	// detail is shown below the text as it is, for an administrator.
	detail string
	// retryAfter is sent where it is positive.
	retryAfter time.Duration
	// flow, with a log-out button, is gone on with after the log-out.
	logOut bool
	flow   string
}

// Error implements error.
func (p *problem) Error() string { return "page " + p.key }

var (
	errPageNotFound = &problem{status: http.StatusNotFound, key: "notFound"}
	errForgedForm   = &problem{status: http.StatusForbidden, key: "forgedForm"}
	errBadForm      = &problem{status: http.StatusBadRequest, key: "badForm"}
	errTooLarge     = &problem{status: http.StatusRequestEntityTooLarge, key: "tooLarge"}
	errInternal     = &problem{status: http.StatusInternalServerError, key: "internal"}
	errLinkGone     = &problem{status: http.StatusGone, key: "linkGone"}
)

// databaseRetry is when to come back where the database is away: a failover
// takes a few seconds.
const databaseRetry = 5 * time.Second

// fail answers with the page of an error. It touches no cookie: whoever is
// logged in stays so while the database is away.
func (s *Site) fail(v *visit, err error) {
	var shown *problem
	var busy *password.BusyError
	var unavailable *admin.UnavailableError
	switch {
	case errors.As(err, &shown):
	case errors.As(err, &busy):
		shown = &problem{status: http.StatusServiceUnavailable, key: "busy", retryAfter: busy.RetryAfter}
	case errors.Is(err, context.Canceled) && v.context().Err() != nil:
		// The browser has gone; nobody reads a page.
		v.w.WriteHeader(http.StatusServiceUnavailable)
		return
	case errors.As(err, &unavailable), errors.Is(err, context.DeadlineExceeded):
		s.Log.Error(err, "Failed to answer a request because the database is away or slow", "requestID", requestID(v.r), "route", routeOf(v.r))
		shown = &problem{status: http.StatusServiceUnavailable, key: "unavailable", retryAfter: databaseRetry}
		// The menu would ask the database once more.
		v.account = nil
	default:
		s.Log.Error(err, "Failed to answer a request", "requestID", requestID(v.r), "route", routeOf(v.r))
		shown = errInternal
	}
	if err := v.showProblem(shown); err != nil {
		s.Log.Error(err, "Failed to render an error page", "requestID", requestID(v.r))
		plain(v.w, http.StatusInternalServerError, "internal error "+requestID(v.r))
	}
}

type problemBody struct {
	Heading, Text, Detail, RequestID, Flow string
	LogOut                                 bool
}

func (v *visit) showProblem(p *problem) error {
	if p.retryAfter > 0 {
		v.retryAfter(p.retryAfter)
	}
	text := v.site.pages.catalogue.text
	heading := text(v.language(), "problem."+p.key+".title")
	body := problemBody{
		Heading: heading, Text: text(v.language(), "problem."+p.key+".text", p.arguments...),
		Detail: p.detail, RequestID: requestID(v.r), LogOut: p.logOut, Flow: p.flow,
	}
	return v.render(p.status, "problem", heading, body)
}

// retryAfter sets the header in whole seconds (RFC 9110 10.2.3).
func (v *visit) retryAfter(wait time.Duration) {
	v.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}
