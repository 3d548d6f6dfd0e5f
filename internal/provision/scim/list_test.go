/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

// fill makes so many users.
func (f *fake) fill(count int) {
	for n := range count {
		f.add(users, resource{"userName": "user-" + strconv.Itoa(n), "externalId": subject(n).ID})
	}
}

func names(t *testing.T, target *Target) ([]string, error) {
	t.Helper()
	var got []string
	err := target.List(t.Context(), func(a provision.Account) error {
		got = append(got, a.UserName)
		return nil
	})
	return got, err
}

func TestListsShortPages(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.pages = 7
	f.fill(250)
	got, err := names(t, newTarget(t, address, nil))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(HaveLen(250))
	g.Expect(f.gets()).To(ContainElement(users + "?count=100&startIndex=7"))

	f.pages = 1
	got, err = names(t, newTarget(t, address, nil))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(HaveLen(250))

	got, err = names(t, newTarget(t, func() string { _, empty := newFake(t); return empty }(), nil))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(BeEmpty())
}

func TestAsksForNoMoreThanTheServiceGives(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.configuration = `{"patch":{"supported":true},"filter":{"supported":true,"maxResults":30}}`
	f.fill(50)
	got, err := names(t, newTarget(t, address, nil))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(HaveLen(50))
	g.Expect(f.gets()).To(ContainElement(users + "?count=30&startIndex=30"))
}

// change does something to a list once its page from start on was read.
func (f *fake) change(start string, again bool, change func()) {
	done := false
	f.fault = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/scim"+users && r.URL.Query().Get("startIndex") == start && (again || !done) {
			done = true
			change()
		}
		return false
	}
}

func TestListsThatChangeWhileTheyAreRead(t *testing.T) {
	t.Run("deleted before: those after it move onto pages that were read", func(t *testing.T) {
		g := NewWithT(t)
		f, address := newFake(t)
		f.pages = 10
		f.fill(25)
		f.change("10", false, func() { f.kept[users] = f.kept[users][1:] })
		got, err := names(t, newTarget(t, address, nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(HaveLen(25), "the one that is gone was visited")
		g.Expect(got).To(ContainElement("user-10"))
	})
	t.Run("added before: one comes twice", func(t *testing.T) {
		g := NewWithT(t)
		f, address := newFake(t)
		f.pages = 10
		f.fill(25)
		f.change("10", false, func() { f.kept[users] = append([]resource{{"id": "new", "userName": "new"}}, f.kept[users]...) })
		got, err := names(t, newTarget(t, address, nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(HaveLen(26))
		g.Expect(got).To(ContainElement("new"))
	})
	t.Run("as many are deleted as added: the number stays, and yet one moves onto a page that was read", func(t *testing.T) {
		g := NewWithT(t)
		f, address := newFake(t)
		f.pages = 10
		f.fill(25)
		f.change("10", false, func() { f.kept[users] = append(f.kept[users][1:], resource{"id": "new", "userName": "new"}) })
		got, err := names(t, newTarget(t, address, nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(HaveLen(26))
		g.Expect(got).To(ContainElement("user-10"))
	})
	t.Run("at the end: nothing is left", func(t *testing.T) {
		g := NewWithT(t)
		f, address := newFake(t)
		f.pages = 10
		f.fill(11)
		f.change("10", false, func() { f.kept[users] = f.kept[users][:10] })
		got, err := names(t, newTarget(t, address, nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(HaveLen(10))
	})
	t.Run("always", func(t *testing.T) {
		g := NewWithT(t)
		f, address := newFake(t)
		f.pages = 10
		f.fill(25)
		f.change("10", true, func() { f.kept[users] = f.kept[users][1:] })
		_, err := names(t, newTarget(t, address, nil))
		g.Expect(err).To(MatchError(ContainSubstring("changed each time")))
		g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
	})
}

func TestListsThatBreakOff(t *testing.T) {
	page := func(total int, ids ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			resources := make([]any, len(ids))
			for i, id := range ids {
				resources[i] = map[string]any{"id": id, "userName": id}
			}
			answerWith(w, http.StatusOK, map[string]any{"totalResults": total, "Resources": resources})
		}
	}
	for name, test := range map[string]struct {
		pages map[string]func(http.ResponseWriter)
		want  string
	}{
		"a page in the middle is empty":  {map[string]func(http.ResponseWriter){"1": page(4, "a", "b"), "2": page(4)}, "broke off after 2 of 4"},
		"the last page is empty":         {map[string]func(http.ResponseWriter){"1": page(3, "a", "b"), "2": page(3, "b"), "3": page(3)}, "broke off after 2 of 3"},
		"every page is the first":        {map[string]func(http.ResponseWriter){"1": page(4, "a", "b"), "2": page(4, "a", "b")}, "broke off after 2 of 4"},
		"one comes twice, and one never": {map[string]func(http.ResponseWriter){"1": page(4, "a", "b"), "2": page(4, "b", "a", "d")}, "has 3 entries, but says that it has 4"},
		"a page fails":                   {map[string]func(http.ResponseWriter){"1": page(4, "a", "b"), "2": func(w http.ResponseWriter) { refuse(w, 500, "", "") }}, "status 500"},
		"a page is HTML": {map[string]func(http.ResponseWriter){"1": page(4, "a", "b"), "2": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		}}, "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				answer := test.pages[r.URL.Query().Get("startIndex")]
				if answer != nil {
					answer(w)
				}
				return answer != nil
			}
			_, err := names(t, newTarget(t, address, nil))
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
		})
	}
}

func TestAVisitorEndsAList(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.fill(3)
	enough := errors.New("enough")
	g.Expect(newTarget(t, address, nil).List(t.Context(), func(provision.Account) error { return enough })).To(MatchError(enough))
}

func TestFindsWhereFiltersAreOdd(t *testing.T) {
	reference := provision.Reference{CorrelationID: subject(150).ID}
	for name, test := range map[string]struct {
		set  func(f *fake)
		gets int
	}{
		"filtered":           {func(*fake) {}, 1},
		"ignored":            {func(f *fake) { f.ignoresFilters = true }, 2 + 3 + 1},
		"said to be missing": {func(f *fake) { f.configuration = `{"filter":{"supported":false}}` }, 3 + 1},
		"refused": {func(f *fake) {
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				refused := r.URL.Query().Get("filter") != ""
				if refused {
					refuse(w, http.StatusBadRequest, "invalidFilter", "no")
				}
				return refused
			}
		}, 1 + 3 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			test.set(f)
			f.fill(200)
			target := newTarget(t, address, nil)
			_, err := target.features(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			before := len(f.gets())
			found, err := target.Find(t.Context(), reference)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.UserName).To(Equal("user-150"))
			g.Expect(found.CorrelationID).To(Equal(reference.CorrelationID))
			g.Expect(f.gets()[before:]).To(HaveLen(test.gets))
			_, err = target.Find(t.Context(), provision.Reference{CorrelationID: subject(999).ID})
			g.Expect(provision.IsNotFound(err)).To(BeTrue())
			_, err = target.Find(t.Context(), provision.Reference{UserName: "USER-7"})
			if name == "filtered" {
				g.Expect(provision.IsNotFound(err)).To(BeTrue(), "this service compares exactly")
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestFindQuotes(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	name := `o"neil\ <山> +&#% @acme.example`
	f.add(users, resource{"userName": name})
	found, err := newTarget(t, address, nil).Find(t.Context(), provision.Reference{UserName: name})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.UserName).To(Equal(name))
	asked, err := url.Parse(f.gets()[len(f.gets())-1])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(asked.Query().Get("filter")).To(Equal(`userName eq "o\"neil\\ <山> +&#% @acme.example"`))
	g.Expect(asked.RawQuery).NotTo(ContainSubstring("+"))
}

func TestTwoAccountsOfOneMember(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.add(users, resource{"userName": "a", "externalId": subject(1).ID})
	f.add(users, resource{"userName": "b", "externalId": subject(1).ID})
	_, err := newTarget(t, address, nil).Find(t.Context(), provision.Reference{CorrelationID: subject(1).ID})
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))
	g.Expect(err).To(MatchError(ContainSubstring("several accounts with the same externalId")))
}

func TestWhatMarksAnAccountAsAMembers(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.add(users, resource{"userName": "a", "externalId": "00u1b2c3"})
	f.add(users, resource{"userName": "b", "externalId": subject(1).ID})
	f.add(users, resource{"userName": "c", "externalId": subject(2).ID})
	f.add(users, resource{"userName": "d"})
	target := newTarget(t, address, func(o *Options) { o.OfMember = func(id string) bool { return id == subject(1).ID } })
	got := map[string]string{}
	g.Expect(target.List(t.Context(), func(a provision.Account) error {
		got[a.UserName] = a.CorrelationID
		return nil
	})).To(Succeed())
	g.Expect(got).To(Equal(map[string]string{"a": "", "b": subject(1).ID, "c": "", "d": ""}))
}

func TestIDsThatAreNone(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	for _, id := range []string{"..", ".", "a\nb", strings.Repeat("a", 513)} {
		_, err := target.Find(t.Context(), provision.Reference{ExternalID: id})
		g.Expect(provision.IsNotFound(err)).To(BeTrue(), id)
	}
	_, err := target.Find(t.Context(), provision.Reference{})
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
	_, err = target.Find(t.Context(), provision.Reference{ExternalID: "a/../b?c#d"})
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
	g.Expect(f.gets()).To(ContainElement(users + "/a%2F..%2Fb%3Fc%23d"))
}
