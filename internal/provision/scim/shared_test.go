/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

const withoutFilter = `{"patch":{"supported":true},"filter":{"supported":false}}`

// newUnfiltered is a target at a service without filters, and a clock that adds to the time.
func newUnfiltered(t *testing.T) (*fake, *Target, *atomic.Int64) {
	t.Helper()
	f, address := newFake(t)
	f.configuration = withoutFilter
	later := &atomic.Int64{}
	target := newTarget(t, address, func(o *Options) {
		o.Budget = nil
		o.Now = func() time.Time { return time.Unix(1_800_000_000, 0).Add(time.Duration(later.Load())) }
	})
	return f, target, later
}

// lists is how often the list of users was read from its beginning.
func (f *fake) lists() int {
	count := 0
	for _, uri := range f.gets() {
		if asked, err := url.Parse(uri); err == nil && asked.Path == users && asked.Query().Get("startIndex") == "1" {
			count++
		}
	}
	return count
}

// ensure does what the operator does for a member without an account.
func ensure(ctx context.Context, target *Target, wanted provision.Desired) error {
	_, err := target.Find(ctx, provision.Reference{CorrelationID: wanted.CorrelationID})
	if provision.IsNotFound(err) {
		_, err = target.Create(ctx, wanted)
	}
	return err
}

func TestAFirstLoadReadsOneList(t *testing.T) {
	g := NewWithT(t)
	f, target, later := newUnfiltered(t)
	f.fill(250)
	var wait sync.WaitGroup
	for n := range 300 {
		wait.Go(func() {
			if err := ensure(t.Context(), target, desired(t, target, n)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	g.Expect(f.kept[users]).To(HaveLen(300))
	g.Expect(f.lists()).To(Equal(1))

	for n := range 300 {
		g.Expect(ensure(t.Context(), target, desired(t, target, n))).To(Succeed())
	}
	g.Expect(f.kept[users]).To(HaveLen(300), "those made since are seen")
	g.Expect(f.lists()).To(Equal(1))

	f.add(users, resource{"userName": "by-hand", "externalId": subject(300).ID})
	later.Add(int64(sharedFor))
	g.Expect(ensure(t.Context(), target, desired(t, target, 300))).To(Succeed())
	g.Expect(f.kept[users]).To(HaveLen(301), "what others made is seen after a minute")
	g.Expect(f.lists()).To(Equal(2))
}

// lose lets the service do what it is asked for by a method, once, and answer with something else.
func (f *fake) lose(method string, answer func(w http.ResponseWriter)) {
	lost := false
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if lost || r.Method != method {
			return false
		}
		lost = true
		f.post(httptest.NewRecorder(), users, f.requests[len(f.requests)-1].body)
		answer(w)
		return true
	}
}

func TestACreationInDoubtIsLookedUpAnew(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"failed after it was made": func(w http.ResponseWriter) { refuse(w, http.StatusInternalServerError, "", "oh") },
		"its answer is nonsense":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"no ID in the answer":      func(w http.ResponseWriter) { answerWith(w, http.StatusCreated, resource{"ok": true}) },
		"connection lost":          func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, target, _ := newUnfiltered(t)
			f.fill(20)
			wanted := desired(t, target, 100)
			_, err := target.Find(t.Context(), provision.Reference{CorrelationID: wanted.CorrelationID})
			g.Expect(provision.IsNotFound(err)).To(BeTrue())
			f.lose(http.MethodPost, answer)
			_, _ = target.Create(t.Context(), wanted) // some of them find it at once
			found, err := target.Find(t.Context(), provision.Reference{CorrelationID: wanted.CorrelationID})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.UserName).To(Equal(wanted.UserName))
			g.Expect(f.kept[users]).To(HaveLen(21))
			// Only that one is in doubt.
			lists := f.lists()
			_, err = target.Find(t.Context(), provision.Reference{CorrelationID: subject(200).ID})
			g.Expect(provision.IsNotFound(err)).To(BeTrue())
			g.Expect(f.lists()).To(Equal(lists))
		})
	}
	t.Run("a refusal made nothing", func(t *testing.T) {
		g := NewWithT(t)
		f, target, _ := newUnfiltered(t)
		wanted := desired(t, target, 1)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				refuse(w, http.StatusTooManyRequests, "", "")
			}
			return r.Method == http.MethodPost
		}
		for range 3 {
			g.Expect(ensure(t.Context(), target, wanted)).NotTo(Succeed())
		}
		g.Expect(f.lists()).To(Equal(1))
	})
}

func TestWhatStandsInTheWayIsLookedUpAnew(t *testing.T) {
	g := NewWithT(t)
	f, target, _ := newUnfiltered(t)
	for n := range 3 {
		_, err := target.Find(t.Context(), provision.Reference{CorrelationID: desired(t, target, n).CorrelationID})
		g.Expect(provision.IsNotFound(err)).To(BeTrue())
	}
	for n := range 3 {
		f.add(users, resource{"userName": desired(t, target, n).UserName})
	}
	for n := range 3 {
		wanted := desired(t, target, n)
		_, err := target.Create(t.Context(), wanted)
		g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))
		_, err = target.Find(t.Context(), provision.Reference{CorrelationID: wanted.CorrelationID})
		g.Expect(provision.IsNotFound(err)).To(BeTrue())
		found, err := target.Find(t.Context(), provision.Reference{UserName: strings.ToUpper(wanted.UserName)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found.CorrelationID).To(BeEmpty())
		g.Expect(f.lists()).To(Equal(2+n), "one for both")

		_, err = target.Update(t.Context(), *found, wanted)
		g.Expect(err).NotTo(HaveOccurred())
		found, err = target.Find(t.Context(), provision.Reference{CorrelationID: wanted.CorrelationID})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found.CorrelationID).To(Equal(wanted.CorrelationID))
		g.Expect(f.lists()).To(Equal(2+n), "what was taken over since is seen")
	}
}

func TestAListingThatIsNoLongerSo(t *testing.T) {
	g := NewWithT(t)
	f, target, _ := newUnfiltered(t)
	f.fill(5)
	reference := provision.Reference{CorrelationID: subject(3).ID}
	find := func() string {
		found, err := target.Find(t.Context(), reference)
		if provision.IsNotFound(err) {
			return ""
		}
		g.Expect(err).NotTo(HaveOccurred())
		return found.ExternalID
	}
	g.Expect(find()).To(Equal("4"))
	f.kept[users][3]["externalId"] = "other"
	g.Expect(find()).To(BeEmpty(), "it lost the mark")
	again := f.add(users, resource{"userName": "again", "externalId": subject(3).ID})
	f.kept[users] = f.kept[users][4:]
	target.shared.doubt(keyOf(externalIDAttribute, subject(3).ID))
	g.Expect(find()).To(Equal(again))
	f.kept[users] = f.kept[users][:1]
	again = f.add(users, resource{"userName": "thrice", "externalId": subject(3).ID})
	g.Expect(find()).To(Equal(again), "deleted there, and made anew")
	f.add(users, resource{"userName": "double", "externalId": subject(3).ID})
	target.shared.doubt(keyOf(externalIDAttribute, subject(3).ID))
	_, err := target.Find(t.Context(), reference)
	g.Expect(err).To(MatchError(ContainSubstring("several accounts")))
}

func TestAListingThatBrokeOffIsNotShared(t *testing.T) {
	g := NewWithT(t)
	f, target, _ := newUnfiltered(t)
	f.fill(150)
	broken := true
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if breaks := broken && r.URL.Query().Get("startIndex") == "100"; !breaks {
			return false
		}
		answerWith(w, http.StatusOK, map[string]any{"totalResults": 150})
		return true
	}
	reference := provision.Reference{CorrelationID: subject(120).ID}
	_, err := target.Find(t.Context(), reference)
	g.Expect(err).To(MatchError(ContainSubstring("broke off after 100 of 150")))
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
	g.Expect(target.shared.current).To(BeNil())
	f.mu.Lock()
	broken = false
	f.mu.Unlock()
	_, err = target.Find(t.Context(), reference)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestUserNamesAreFoldedAsTheyAreCompared(t *testing.T) {
	g := NewWithT(t)
	for _, pair := range [][2]string{{"Hanako@Acme.example", "hANAKO@aCME.EXAMPLE"}, {"\u212Aen", "ken"}, {"ſam", "SAM"}, {"山田", "山田"}} {
		g.Expect(strings.EqualFold(pair[0], pair[1])).To(BeTrue())
		g.Expect(keyOf(userNameAttribute, pair[0])).To(Equal(keyOf(userNameAttribute, pair[1])))
	}
	g.Expect(keyOf(userNameAttribute, "a")).NotTo(Equal(keyOf(userNameAttribute, "b")))
	g.Expect(keyOf(externalIDAttribute, "a")).NotTo(Equal(keyOf(externalIDAttribute, "A")))
}

// pages are listings that a test lets go on page by page.
type pages struct {
	listings
	lister lister
	begun  chan struct{}
	next   chan []identity
	fails  chan error
}

func newPages() *pages {
	p := &pages{begun: make(chan struct{}, 10), next: make(chan []identity), fails: make(chan error)}
	p.now = time.Now
	p.lister = func(_ context.Context, visit func(identity) error) error {
		p.begun <- struct{}{}
		for {
			select {
			case err := <-p.fails:
				return err
			case page := <-p.next:
				for _, who := range page {
					if err := visit(who); err != nil {
						return err
					}
				}
			}
		}
	}
	return p
}

// looked is what a look-up brought.
type looked struct {
	IDs    []string
	Shared bool
	Err    error
}

func (p *pages) look(ctx context.Context, wanted key) chan looked {
	result := make(chan looked, 1)
	go func() {
		ids, shared, err := p.find(ctx, wanted, p.lister)
		result <- looked{ids, shared, err}
	}()
	return result
}

func TestWritesWhileAListIsRead(t *testing.T) {
	g := NewWithT(t)
	p := newPages()
	a, b, c := keyOf(externalIDAttribute, "a"), keyOf(externalIDAttribute, "b"), keyOf(externalIDAttribute, "c")
	ofA := p.look(t.Context(), a)
	g.Eventually(p.begun).Should(Receive())
	p.next <- []identity{{external: "z", id: "9"}}
	p.note(identity{external: "a", id: "1"})
	p.doubt(b)
	given, giveUp := context.WithCancel(t.Context())
	ofC, ofB := p.look(given, c), p.look(t.Context(), b)
	giveUp()
	g.Eventually(ofC).Should(Receive(HaveField("Err", MatchError(context.Canceled))))
	p.fails <- nil
	g.Eventually(ofA).Should(Receive(Equal(looked{[]string{"1"}, true, nil})))
	g.Eventually(p.begun).Should(Receive(), "for what was in doubt")
	g.Consistently(ofB, "50ms").ShouldNot(Receive())
	p.next <- []identity{{external: "b", id: "2"}}
	p.fails <- nil
	g.Eventually(ofB).Should(Receive(Equal(looked{[]string{"2"}, true, nil})))
	g.Expect(p.begun).NotTo(Receive())
}

func TestTheFirstToAskMayGiveUp(t *testing.T) {
	g := NewWithT(t)
	p := newPages()
	given, giveUp := context.WithCancel(t.Context())
	first := p.look(given, keyOf(externalIDAttribute, "a"))
	g.Eventually(p.begun).Should(Receive())
	second := p.look(t.Context(), keyOf(externalIDAttribute, "b"))
	giveUp()
	g.Eventually(first).Should(Receive(HaveField("Err", MatchError(context.Canceled))))
	p.next <- []identity{{external: "b", id: "2"}}
	p.fails <- nil
	g.Eventually(second).Should(Receive(Equal(looked{[]string{"2"}, true, nil})))

	p.doubt(keyOf(externalIDAttribute, "b"))
	third := p.look(t.Context(), keyOf(externalIDAttribute, "b"))
	g.Eventually(p.begun).Should(Receive())
	failure := errors.New("broke off")
	p.fails <- failure
	g.Eventually(third).Should(Receive(HaveField("Err", MatchError(failure))))
}

// TestATargetThatIsMadeAnew knows of what its predecessor writes still.
func TestATargetThatIsMadeAnew(t *testing.T) {
	g := NewWithT(t)
	f, before, _ := newUnfiltered(t)
	f.fill(5)
	g.Expect(ensure(t.Context(), before, desired(t, before, 1))).To(Succeed())
	after := newTarget(t, before.base, func(o *Options) { o.Budget, o.Now = nil, before.options.Now })
	after.Inherit(struct{ *Target }{before}) // as an MDM's has it
	lists := f.lists()
	for n := range 20 {
		_, err := after.Find(t.Context(), provision.Reference{CorrelationID: desired(t, after, n).CorrelationID})
		g.Expect(provision.IsNotFound(err)).To(Equal(n > 4))
	}
	g.Expect(f.lists()).To(Equal(lists+1), "its credentials may lead elsewhere")
	f.lose(http.MethodPost, func(w http.ResponseWriter) { refuse(w, http.StatusInternalServerError, "", "oh") })
	_, err := before.Create(t.Context(), desired(t, before, 10))
	g.Expect(err).To(HaveOccurred())
	g.Expect(ensure(t.Context(), after, desired(t, after, 10))).To(Succeed())
	g.Expect(f.kept[users]).To(HaveLen(6))

	// One that is made anew while a list is read.
	p := newPages()
	a := keyOf(externalIDAttribute, "a")
	first := p.look(t.Context(), a)
	g.Eventually(p.begun).Should(Receive())
	p.forget()
	p.next <- []identity{{external: "a", id: "1"}} // it ends with that
	g.Eventually(p.begun).Should(Receive())
	p.next <- []identity{{external: "a", id: "2"}}
	p.fails <- nil
	g.Eventually(first).Should(Receive(Equal(looked{[]string{"2"}, true, nil})))
}

func TestListingsTakeNoMoreMemoryThanAllowed(t *testing.T) {
	g := NewWithT(t)
	before := sharedBytes.Load()
	f, target, later := newUnfiltered(t)
	f.fill(30)
	left := int64(40 * entryBytes)
	sharedBytes.Add(maxSharedBytes - before - left)
	t.Cleanup(func() { sharedBytes.Store(before) })
	reference := provision.Reference{CorrelationID: subject(20).ID}
	for range 3 {
		_, err := target.Find(t.Context(), reference)
		g.Expect(err).NotTo(HaveOccurred(), "each reads the list for itself")
	}
	g.Expect(f.lists()).To(Equal(4))
	g.Expect(sharedBytes.Load()).To(Equal(maxSharedBytes-left), "given back")

	sharedBytes.Store(before)
	later.Add(int64(sharedFor))
	for range 3 {
		_, err := target.Find(t.Context(), reference)
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(f.lists()).To(Equal(5))
	taken := sharedBytes.Load()
	g.Expect(taken).To(BeNumerically(">", before))
	sharedBytes.Store(maxSharedBytes)
	target.shared.note(identity{user: "one too many", id: "x"})
	g.Expect(target.shared.current).To(BeNil(), "a listing that lacks somebody serves nobody")
	g.Expect(sharedBytes.Load()).To(BeNumerically("<=", maxSharedBytes-(taken-before)))
}

func TestAFilterThatChoosesNothing(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.ignoresFilters = true
	f.fill(350)
	target := newTarget(t, address, nil)
	for n := range 20 {
		_, err := target.Find(t.Context(), provision.Reference{CorrelationID: subject(n + 300).ID})
		g.Expect(err).NotTo(HaveOccurred(), fmt.Sprint(n))
	}
	g.Expect(f.lists()).To(Equal(2), "by filter, and the shared one")
}
