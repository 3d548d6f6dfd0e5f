/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/idp/store"
)

// logout is a single log-out under way (SAML profiles section 4.4): the session
// here has ended already, and the apps that took part in it are told one after
// another.
type logout struct {
	Tenant string      `json:"tenant"`
	Member string      `json:"member,omitempty"`
	Apps   []logoutApp `json:"apps,omitempty"`
	// By is the app that asked for the log-out, and Pending its request, to be
	// answered at the end; empty where the member asked.
	By      string              `json:"by,omitempty"`
	Pending *saml.PendingLogout `json:"pending,omitempty"`
	// Request is set while it waits for the browser's cookie, which a cross-site
	// POST does not carry.
	Request *saml.LogoutRequest `json:"request,omitempty"`
	// Then is a flow that waits for the log-in of another member.
	Then string `json:"then,omitempty"`
}

// logoutState is how far an app is.
type logoutState string

// The states; each has a text in the catalogue, logout.state.<state>.
const (
	logoutWaiting   logoutState = "waiting"
	logoutAsked     logoutState = "asked"
	logoutSucceeded logoutState = "succeeded"
	logoutFailed    logoutState = "failed"
	logoutSilent    logoutState = "silent"
	logoutUntold    logoutState = "untold"
)

var logoutStates = []logoutState{logoutWaiting, logoutAsked, logoutSucceeded, logoutFailed, logoutSilent, logoutUntold}

// logoutApp is an app that took part in the session.
type logoutApp struct {
	App          string      `json:"app"`
	EntityID     string      `json:"entityID"`
	NameID       saml.NameID `json:"nameID"`
	SessionIndex string      `json:"sessionIndex"`
	State        logoutState `json:"state"`
	// RequestID is what the app's answer must be to.
	RequestID string `json:"requestID,omitempty"`
}

// logoutTicket finds the flow that an app's answer belongs to. The flow's own ID
// is the browser's business; the ticket's is in the message to the app.
type logoutTicket struct {
	Flow string `json:"logoutFlow"`
}

const ticketPrefix = "_" // an xs:ID must not begin with a digit or a hyphen

func nameIDOf(p store.Participant) saml.NameID {
	return saml.NameID{Value: p.NameID, Format: p.NameIDFormat, NameQualifier: p.NameQualifier, SPNameQualifier: p.SPNameQualifier}
}

// addApps notes whom to tell; the app that asked knows already.
func (l *logout) addApps(participants []store.Participant) {
	for _, p := range participants {
		if p.App == l.By {
			continue
		}
		l.Apps = append(l.Apps, logoutApp{App: p.App, EntityID: p.EntityID, NameID: nameIDOf(p), SessionIndex: p.SessionIndex, State: logoutWaiting})
	}
}

// in reports whether an app is in one of the states.
func (l *logout) in(states ...logoutState) bool {
	return slices.ContainsFunc(l.Apps, func(a logoutApp) bool { return slices.Contains(states, a.State) })
}

// complete reports whether every app has ended its session.
func (l *logout) complete() bool {
	return !slices.ContainsFunc(l.Apps, func(a logoutApp) bool { return a.State != logoutSucceeded })
}

// logoutFlow is a flow as it was read, to be changed.
type logoutFlow struct {
	*logout
	id     string
	before []byte
}

// readLogout reads a log-out under way; errPageNotFound where there is none.
func (v *visit) readLogout(id string) (*logoutFlow, error) {
	body, err := v.site.Store.Flow(v.context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errPageNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read flow: %w", err)
	}
	f := &flow{}
	if err := json.Unmarshal(body, f); err != nil {
		return nil, fmt.Errorf("unmarshal flow: %w", err)
	}
	if f.Logout == nil {
		return nil, errPageNotFound
	}
	return &logoutFlow{logout: f.Logout, id: id, before: body}, nil
}

// startLogout keeps a log-out under way, and gives the browser the way back to it.
func (v *visit) startLogout(l *logout) (*logoutFlow, error) {
	f := &flow{StartedAt: v.site.Now(), Logout: l}
	body, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("marshal flow: %w", err)
	}
	id, err := v.saveFlow(f)
	if err != nil {
		return nil, err
	}
	if l.Request == nil {
		v.site.setCookie(v.w, logoutCookie, id, int(flowLifetime.Seconds()))
	}
	return &logoutFlow{logout: l, id: id, before: body}, nil
}

// openLogout is the page of a log-out that this browser has not finished: an
// app was told and never sent the browser back. It is empty where there is none.
func (v *visit) openLogout() (string, error) {
	id := v.site.readCookie(v.r, logoutCookie)
	if id == "" {
		return "", nil
	}
	f, err := v.readLogout(id)
	if err != nil && !errors.Is(err, errPageNotFound) {
		return "", err
	}
	if err == nil && f.in(logoutWaiting, logoutAsked) {
		return logoutURL(id), nil
	}
	v.site.setCookie(v.w, logoutCookie, "", -1)
	return "", nil
}

// save keeps what has changed; false where somebody else was faster.
func (v *visit) saveLogout(f *logoutFlow) (bool, error) {
	// Only the log-out is read again, so the rest may go.
	after, err := json.Marshal(&flow{Logout: f.logout})
	if err != nil {
		return false, fmt.Errorf("marshal flow: %w", err)
	}
	err = v.site.Store.ReplaceFlow(v.context(), f.id, f.before, after)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	f.before = after
	if err != nil {
		return false, fmt.Errorf("replace flow: %w", err)
	}
	return true, nil
}

// issueTicket makes the ID of a request to an app.
func (v *visit) issueTicket(flowID string) (string, error) {
	body, err := json.Marshal(logoutTicket{Flow: flowID})
	if err != nil {
		return "", fmt.Errorf("marshal ticket: %w", err)
	}
	id, err := v.site.Store.SaveFlow(v.context(), body, flowLifetime)
	if err != nil {
		return "", fmt.Errorf("save ticket: %w", err)
	}
	return ticketPrefix + id, nil
}

// redeemTicket finds the log-out that an answer to that request belongs to, and
// the app's place in it; nil where we asked no such thing.
func (v *visit) redeemTicket(requestID string) (f *logoutFlow, app int, err error) {
	id, ours := strings.CutPrefix(requestID, ticketPrefix)
	if !ours {
		return nil, 0, nil
	}
	body, err := v.site.Store.Flow(v.context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read ticket: %w", err)
	}
	var ticket logoutTicket
	if err := json.Unmarshal(body, &ticket); err != nil || ticket.Flow == "" {
		return nil, 0, nil // another kind of flow
	}
	f, err = v.readLogout(ticket.Flow)
	if errors.Is(err, errPageNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	app = slices.IndexFunc(f.Apps, func(a logoutApp) bool { return a.RequestID == requestID })
	if app < 0 {
		return nil, 0, nil
	}
	return f, app, nil
}

func logoutURL(flowID string) string     { return "/logout/" + flowID }
func logoutNextURL(flowID string) string { return logoutURL(flowID) + "/next" }
