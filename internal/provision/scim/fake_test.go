/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

const fakeToken = "the-bearer-token"

// sent is a request that came to the fake.
type sent struct {
	method, uri, version string
	body                 resource
}

// fake is a service whose oddities and faults tests choose. What is right at a
// service is tested against one that others wrote, in test/interop.
type fake struct {
	// configuration, types and schemas are documents; an empty one is not there.
	configuration, types, schemas string
	// fault answers in place of the service where it returns true.
	fault func(w http.ResponseWriter, r *http.Request) bool
	// ignoresFilters: a list is whole whatever is asked for.
	ignoresFilters bool
	// etag: versions are told and wanted.
	etag bool
	// made changes what a POST answers with; nil answers with the resource.
	made func(w http.ResponseWriter, r resource)
	// pages is how many resources a list has at once at most.
	pages int

	mu       sync.Mutex
	kept     map[string][]resource // by endpoint, in the order of their making
	requests []sent
	last     int
}

func newFake(t *testing.T) (*fake, string) {
	t.Helper()
	f := &fake{kept: map[string][]resource{}, pages: 1000}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL + "/scim"
}

// newTarget is a target at an address, with 1000 writes a second.
func newTarget(t *testing.T, address string, change func(*Options)) *Target {
	t.Helper()
	o := Options{
		URL: address, Authentication: Authentication{Bearer: fakeToken}, Budget: provision.NewBudget(1000),
		HTTP: client.New(client.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Timeout: 5 * time.Second}),
	}
	t.Cleanup(o.HTTP.Close)
	if change != nil {
		change(&o)
	}
	target, err := New(o)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return target
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	read, _ := parseResource(body)
	f.requests = append(f.requests, sent{r.Method, strings.TrimPrefix(r.URL.RequestURI(), "/scim"), r.Header.Get("If-Match"), read})
	if f.fault != nil && f.fault(w, r) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+fakeToken {
		refuse(w, http.StatusUnauthorized, "", "who are you")
		return
	}
	endpoint, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/scim/"), "/")
	endpoint = "/" + endpoint
	switch {
	case r.URL.Path == "/scim/ServiceProviderConfig":
		document(w, f.configuration)
	case r.URL.Path == "/scim/ResourceTypes":
		document(w, f.types)
	case r.URL.Path == "/scim/Schemas":
		document(w, f.schemas)
	case endpoint != users && endpoint != groups:
		refuse(w, http.StatusNotFound, "", "no such endpoint")
	case r.Method == http.MethodPost:
		f.post(w, endpoint, read)
	case id == "":
		f.list(w, r, endpoint)
	default:
		f.one(w, r, endpoint, id, read)
	}
}

func (f *fake) post(w http.ResponseWriter, endpoint string, r resource) {
	for _, other := range f.kept[endpoint] {
		if other.text("userName")+other.text("displayName") == r.text("userName")+r.text("displayName") || endpoint == users && other.text("userName") == r.text("userName") {
			refuse(w, http.StatusConflict, "uniqueness", "taken")
			return
		}
	}
	f.last++
	r["id"] = strconv.Itoa(f.last)
	f.kept[endpoint] = append(f.kept[endpoint], r)
	if f.made != nil {
		f.made(w, r)
		return
	}
	answerWith(w, http.StatusCreated, f.shown(r))
}

// shown is a resource with its version.
func (f *fake) shown(r resource) resource {
	if !f.etag {
		return r
	}
	copied := r.clone()
	encoded, _ := json.Marshal(r)
	copied["meta"] = map[string]any{"version": fmt.Sprintf(`W/"%d"`, len(encoded))}
	return copied
}

func (f *fake) list(w http.ResponseWriter, r *http.Request, endpoint string) {
	var found []resource
	attribute, literal, filtered := strings.Cut(r.URL.Query().Get("filter"), " eq ")
	for _, one := range f.kept[endpoint] {
		var want string
		if filtered && !f.ignoresFilters && (json.Unmarshal([]byte(literal), &want) != nil || one.text(attribute) != want) {
			continue
		}
		found = append(found, f.shown(one))
	}
	start, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
	count, _ := strconv.Atoi(r.URL.Query().Get("count"))
	from := min(max(start, 1)-1, len(found))
	to := min(from+min(count, f.pages), len(found))
	answerWith(w, http.StatusOK, map[string]any{"totalResults": len(found), "startIndex": start, "itemsPerPage": to - from, "Resources": found[from:to]})
}

func (f *fake) one(w http.ResponseWriter, r *http.Request, endpoint, id string, body resource) {
	at := slices.IndexFunc(f.kept[endpoint], func(one resource) bool { return one.id() == id })
	if at < 0 {
		refuse(w, http.StatusNotFound, "", "no "+id)
		return
	}
	current := f.kept[endpoint][at]
	if version := r.Header.Get("If-Match"); f.etag && r.Method != http.MethodGet && r.Method != http.MethodDelete && version != f.shown(current).version() {
		refuse(w, http.StatusPreconditionFailed, "", "changed")
		return
	}
	switch r.Method {
	case http.MethodGet:
		answerWith(w, http.StatusOK, f.shown(current))
	case http.MethodDelete:
		f.kept[endpoint] = slices.Delete(f.kept[endpoint], at, at+1)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		f.kept[endpoint][at] = body
		answerWith(w, http.StatusOK, f.shown(body))
	case http.MethodPatch:
		f.patch(w, current, body)
	}
}

// patch knows enough of PATCH for what tests change.
func (f *fake) patch(w http.ResponseWriter, current, body resource) {
	operations, _ := body.get("Operations").([]any)
	for _, each := range operations {
		o, _ := object(each)
		name := o.text("path")
		members, _ := current.get("members").([]any)
		switch {
		case strings.HasPrefix(name, "members["):
			var id string
			_ = json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimPrefix(name, "members[value eq "), "]")), &id)
			current["members"] = slices.DeleteFunc(members, func(m any) bool { e, _ := object(m); return e.text("value") == id })
		case name == "members":
			added, _ := o.get("value").([]any)
			current["members"] = append(members, added...)
		case o.text("op") == opRemove:
			e := edit{resource: current}
			_ = e.set(mustPath(name), "")
		default:
			if value, simple := o.get("value").([]any); simple {
				current[name] = value
			} else if p := mustPath(name); p.sub == "" && p.urn == "" {
				current[current.key(name)] = o.get("value")
			} else {
				e := edit{resource: current}
				_ = e.set(p, o.text("value"))
			}
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func document(w http.ResponseWriter, text string) {
	if text == "" {
		refuse(w, http.StatusNotFound, "", "not here")
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_, _ = io.WriteString(w, text)
}

func refuse(w http.ResponseWriter, status int, scimType, detail string) {
	answerWith(w, status, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "scimType": scimType, "detail": detail})
}

func answerWith(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", scimJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// writes are the requests that came and change something.
func (f *fake) writes() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.requests), func(s sent) bool { return s.method == http.MethodGet })
}

// gets are the addresses that were read.
func (f *fake) gets() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, s := range f.requests {
		if s.method == http.MethodGet {
			all = append(all, s.uri)
		}
	}
	return all
}

// add keeps a resource of an endpoint, and gives it an ID.
func (f *fake) add(endpoint string, r resource) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	r["id"] = strconv.Itoa(f.last)
	f.kept[endpoint] = append(f.kept[endpoint], r)
	return r.id()
}

func subject(n int) directory.Subject {
	return directory.Subject{
		ID: fmt.Sprintf("0b1f1f3e-8f0c-4a53-9a3c-%012d", n),
		Member: directory.Member{
			Tenant: "acme", Name: fmt.Sprintf("hanako-%d", n), Mail: fmt.Sprintf("hanako.%d@acme.example", n), Role: directory.RoleStaff,
			Person:   directory.PersonName{Family: "山田", Given: "花子", PhoneticFamily: "ヤマダ", PhoneticGiven: "ハナコ"},
			TimeZone: "Asia/Tokyo", Language: "ja", Phone: "+81312345678",
		},
	}
}

func desired(t *testing.T, target *Target, n int) provision.Desired {
	t.Helper()
	d, err := target.Desire(subject(n))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return d
}
