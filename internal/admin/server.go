/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"
)

// NewHandler serves service over HTTP, to be reached by NewClient. It trusts
// every caller: the listener must demand a client certificate (ServerTLSConfig).
func NewHandler(service Service) http.Handler {
	mux := http.NewServeMux()
	handle(mux, pathApply, maxApplyBytes, service.Apply)
	handle(mux, pathDigests, maxCallBytes, func(ctx context.Context, call digestsCall) ([]KeyDigest, error) {
		return service.Digests(ctx, call.After, call.Limit)
	})
	handle(mux, pathNotices, maxCallBytes, func(ctx context.Context, call noticesCall) ([]Notice, error) {
		wait := min(max(0, call.Wait), maxNoticeWait.Milliseconds())
		return service.Notices(ctx, call.Limit, time.Duration(wait)*time.Millisecond)
	})
	handle(mux, pathAcknowledge, maxCallBytes, withoutAnswer(service.Acknowledge))
	handle(mux, pathTemporaryPassword, maxCallBytes, service.SetTemporaryPassword)
	handle(mux, pathEndSessions, maxCallBytes, withoutAnswer(service.EndSessions))
	handle(mux, pathRecord, maxRecordBytes, withoutAnswer(service.Record))
	handle(mux, pathAudit, maxCallBytes, service.SearchAudit)
	handle(mux, pathAbout, maxCallBytes, func(ctx context.Context, _ nothing) (About, error) { return service.About(ctx) })
	return mux
}

// NewUnavailableHandler stands in for NewHandler while there is no service: it
// answers every call with an UnavailableError for the reason.
func NewUnavailableHandler(reason func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerError(w, &UnavailableError{Reason: reason()})
	})
}

func withoutAnswer[Call any](action func(context.Context, Call) error) func(context.Context, Call) (nothing, error) {
	return func(ctx context.Context, call Call) (nothing, error) { return nothing{}, action(ctx, call) }
}

func handle[Call, Answer any](mux *http.ServeMux, path string, limit int64, action func(context.Context, Call) (Answer, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		// A browser cannot send this type across sites without asking first.
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			answer(w, http.StatusUnsupportedMediaType, errorAnswer{Code: codeInvalid, Message: "the body must be application/json"})
			return
		}
		var call Call
		if err := decode(r.Body, limit, &call); err != nil {
			answerError(w, err)
			return
		}
		result, err := action(r.Context(), call)
		if err != nil {
			answerError(w, err)
			return
		}
		answer(w, http.StatusOK, result)
	})
}

func answerError(w http.ResponseWriter, err error) {
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		answer(w, http.StatusServiceUnavailable, errorAnswer{Code: codeUnavailable, Message: unavailable.Reason})
		return
	}
	code, status := codeOf(err)
	answer(w, status, errorAnswer{Code: code, Message: err.Error()})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A caller that has gone needs no answer.
	_ = json.NewEncoder(w).Encode(value)
}
