/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"tegata.dev/tegata/internal/provision"
)

const (
	// sharedFor is how long a listing serves look-ups, from when it was read.
	sharedFor = time.Minute
	// longestListing bounds the reading of one, which goes on for others when the
	// one who asked first gives up.
	longestListing = 10 * time.Minute
	// maxSharedBytes bounds what the listings of all targets in the process take.
	maxSharedBytes = 64 << 20
	// entryBytes is what an entry takes beside its texts.
	entryBytes = 200
)

// sharedBytes is what the listings of all targets take now.
var sharedBytes atomic.Int64

// Of listings that serve nobody, though nothing failed.
var (
	errTooLong   = errors.New("too many accounts to share a listing of them")
	errForgotten = errors.New("the target was made anew meanwhile")
)

// key is what a user is looked up by.
type key struct{ attribute, value string }

func keyOf(attribute, value string) key {
	if attribute == userNameAttribute {
		value = folded(value)
	}
	return key{attribute, value}
}

// names tells that a user is one of those looked for.
func (k key) names(r resource) bool { return keyOf(k.attribute, r.text(k.attribute)) == k }

// folded is the same text for all that strings.EqualFold finds equal.
func folded(text string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, text)
}

// listing is which users there were when a service's whole list was read, and
// those written since. What it finds is read again before it counts. That it does
// not find something counts only while no write that may have made it is in doubt.
type listing struct {
	ids map[key][]string
	// doubted are those of writes since it began, of which nobody knows what became.
	doubted map[key]bool
	// bytes are those taken of sharedBytes; full tells that there are no more.
	bytes int64
	full  bool
	until time.Time
	// done is closed when it was read to its end, or failed with err.
	done chan struct{}
	err  error
}

func (l *listing) add(who identity) {
	l.put(keyOf(userNameAttribute, who.user), who.id)
	l.put(keyOf(externalIDAttribute, who.external), who.id)
}

func (l *listing) put(k key, id string) {
	// Two tell that there are several.
	if l.full || k.value == "" || len(l.ids[k]) > 1 || slices.Contains(l.ids[k], id) {
		return
	}
	size := int64(len(k.value) + len(id) + entryBytes)
	l.bytes += size
	if l.full = sharedBytes.Add(size) > maxSharedBytes; l.full {
		return
	}
	l.ids[k] = append(l.ids[k], id)
}

// release gives the memory back.
func (l *listing) release() {
	sharedBytes.Add(-l.bytes)
	l.ids, l.bytes, l.full = nil, 0, true
}

// identity is what one user is looked up by.
type identity struct{ user, external, id string }

// lister visits all users, and returns nil only after the last one.
type lister func(ctx context.Context, visit func(identity) error) error

// listings let many look-ups share one reading of a service's whole list, where
// it does not filter: a first load of so many members would read so many lists.
type listings struct {
	now func() time.Time

	mu sync.Mutex
	// current serves look-ups, reading will; nil where there is none.
	current, reading *listing
	// aloneUntil is until when no listing is tried, as there was no memory for one.
	aloneUntil time.Time
}

// find is the IDs of the users that may have a key. Where the current listing does
// not serve, the next is waited for, or read. False tells that none can be shared.
func (s *listings) find(ctx context.Context, wanted key, list lister) ([]string, bool, error) {
	for {
		ids, served, next, serves := s.look(ctx, wanted, list)
		if next == nil {
			return ids, served, nil
		}
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-next.done:
		}
		if serves && next.err != nil && !errors.Is(next.err, errTooLong) && !errors.Is(next.err, errForgotten) {
			return nil, false, next.err
		}
	}
}

// look is what the current listing says, or else the one that has to be waited
// for: it serves where no write since it began is in doubt.
func (s *listings) look(ctx context.Context, wanted key, list lister) (ids []string, served bool, next *listing, serves bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.current; l != nil && !l.doubted[wanted] && s.now().Before(l.until) {
		return slices.Clone(l.ids[wanted]), true, nil, false
	}
	if s.now().Before(s.aloneUntil) {
		return nil, false, nil, false
	}
	if s.reading == nil {
		s.reading = &listing{ids: map[key][]string{}, doubted: map[key]bool{}, done: make(chan struct{})}
		go s.read(context.WithoutCancel(ctx), s.reading, list)
	}
	return nil, false, s.reading, !s.reading.doubted[wanted]
}

// read fills a listing, and makes it the current one if it came to its end.
func (s *listings) read(ctx context.Context, l *listing, list lister) {
	ctx, cancel := context.WithTimeout(ctx, longestListing)
	defer cancel()
	err := list(ctx, func(who identity) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.reading != l {
			return errForgotten
		}
		if l.add(who); l.full {
			return errTooLong
		}
		return nil
	})
	if err != nil && ctx.Err() != nil {
		err = nonsense("The service's list could not be read within %s; it is tried again.", longestListing)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(l, err)
}

func (s *listings) end(l *listing, err error) {
	switch {
	case s.reading != l:
		err = errForgotten
	case l.full:
		err = errTooLong
		s.aloneUntil = s.now().Add(sharedFor)
		s.reading = nil
	default:
		s.reading = nil
	}
	l.err = err
	close(l.done)
	if err != nil {
		l.release()
		return
	}
	s.drop(s.current)
	s.current, l.until = l, s.now().Add(sharedFor)
	time.AfterFunc(sharedFor, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(l)
	})
}

// drop forgets the current listing; another one it leaves alone.
func (s *listings) drop(l *listing) {
	if l != nil && s.current == l {
		s.current = nil
		l.release()
	}
}

// forget drops all listings. Writes that are under way are told to the next ones.
func (s *listings) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.current)
	s.reading = nil
}

// note tells the listings of a user that was written since they began.
func (s *listings) note(who identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading != nil {
		s.reading.add(who)
	}
	if s.current == nil {
		return
	}
	if s.current.add(who); s.current.full {
		s.drop(s.current)
	}
}

// doubt tells the listings that a user may have been written since they began: the
// next look-up of it needs one that begins later.
func (s *listings) doubt(keys ...key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range []*listing{s.current, s.reading} {
		for _, k := range keys {
			if l != nil {
				l.doubted[k] = true
			}
		}
	}
}

// Inherit takes what another target of the same service still writes into account,
// which this one takes the place of. It is called before this one is used.
func (t *Target) Inherit(from provision.Target) {
	if before, ok := from.(interface{ listings() *listings }); ok {
		t.shared = before.listings()
		t.shared.forget()
	}
}

func (t *Target) listings() *listings { return t.shared }

// doubt is of a user that may have been made.
func (t *Target) doubt(desired provision.Desired) {
	t.shared.doubt(keyOf(externalIDAttribute, desired.CorrelationID), keyOf(userNameAttribute, desired.UserName))
}

// mayHaveMade tells that a creation which failed may have made the user, or failed
// because of one that nobody here knew of.
func mayHaveMade(err error) bool {
	return slices.Contains([]provision.Cause{provision.Unavailable, provision.Conflict, provision.NotFound}, provision.CauseOf(err))
}

// note is of a user that was made, or may have become what is desired.
func (t *Target) note(desired provision.Desired, id string) {
	t.shared.note(identity{user: desired.UserName, external: desired.CorrelationID, id: id})
}

// searchShared looks for users in a listing that is shared with other look-ups.
// False tells that there is none that serves.
func (t *Target) searchShared(ctx context.Context, wanted key) ([]resource, bool, error) {
	for range 2 {
		ids, shared, err := t.shared.find(ctx, wanted, t.listNames)
		if err != nil || !shared {
			return nil, false, err
		}
		found, still, err := t.readAll(ctx, ids, wanted)
		if err != nil || still {
			return found, true, err
		}
		t.shared.doubt(wanted)
	}
	return nil, false, nil
}

// readAll reads users; false where one is gone, or has another name now.
func (t *Target) readAll(ctx context.Context, ids []string, wanted key) ([]resource, bool, error) {
	all := make([]resource, 0, len(ids))
	for _, id := range ids {
		r, err := t.read(ctx, id)
		if provision.IsNotFound(err) || err == nil && !wanted.names(r) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		all = append(all, r)
	}
	return all, true, nil
}

// listNames visits what all users can be looked up by.
func (t *Target) listNames(ctx context.Context, visit func(identity) error) error {
	return t.each(ctx, users, nil, true, func(r resource) error {
		return visit(identity{user: r.text(userNameAttribute), external: r.text(externalIDAttribute), id: r.id()})
	})
}
