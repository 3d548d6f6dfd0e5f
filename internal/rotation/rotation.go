/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package rotation decides when a tenant's signing key is followed by the next
// one, so that service providers that read the metadata in time trust every
// signature. It is pure: what it decides is stored by the caller.
package rotation

import (
	"bytes"
	"encoding/pem"
	"slices"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
)

// Keys is everything that is known of a tenant's signing keys, and is stored as
// one. Zero times are unknown or not decided yet.
type Keys struct {
	// Current is the pair made here that signs, or signed last before the user
	// brought one; zero where none was ever made.
	Current admin.KeyPair
	// CurrentSince is when Current began to sign.
	CurrentSince time.Time
	// Next is the pair that is announced to service providers; zero for none.
	Next admin.KeyPair
	// NextFrom is when Next begins to sign; zero until it is published.
	NextFrom time.Time
	// Previous is the certificate, PEM, that signed before and is published
	// until PreviousUntil; nil for none.
	Previous      []byte
	PreviousUntil time.Time
	// Followed is the certificate, PEM, of the user's own pair where that signs.
	Followed []byte
	// Rotated and Replaced are the requests that were carried out last.
	Rotated, Replaced string
}

// Wish is what is declared.
type Wish struct {
	// Algorithm of the key; a key of another one is rotated away. Empty keeps
	// what is there and makes the default.
	Algorithm keypair.Algorithm
	// Interval is how long a key signs; 0: until somebody asks for another.
	Interval time.Duration
	// Overlap is how long the next certificate is published before its key
	// signs, and the previous one after its key did.
	Overlap time.Duration
	// Rotate and Replace each ask, by a new value, for a rotation in order and
	// for a new key at once. Empty asks for nothing.
	Rotate, Replace string
	// Follow is the certificate, PEM, of a pair that the user brings; nil where
	// pairs are made here.
	Follow []byte
}

// Generate makes a pair of the algorithm.
type Generate func(keypair.Algorithm) (admin.KeyPair, error)

// Step returns the keys as they should be now. The same keys, wish and time
// give the same again, so that an attempt that was cut off can be repeated. It
// fails where generate does.
func (k Keys) Step(w Wish, now time.Time, generate Generate) (Keys, error) {
	if !now.Before(k.PreviousUntil) {
		k.Previous, k.PreviousUntil = nil, time.Time{}
	}
	if w.Follow != nil {
		return k.follow(w, now, generate)
	}
	k = k.comeBack(w, now)
	if !exists(k.Current) || asked(w.Replace, k.Replaced) {
		return k.replace(w, now, generate)
	}
	if k.misfits(k.Next, w) {
		k.Next, k.NextFrom = admin.KeyPair{}, time.Time{}
	}
	if exists(k.Next) && !k.NextFrom.IsZero() && !now.Before(k.NextFrom) {
		k.Previous, k.PreviousUntil = certificateOf(k.Current), now.Add(w.Overlap)
		k.Current, k.CurrentSince = k.Next, now
		k.Next, k.NextFrom = admin.KeyPair{}, time.Time{}
	}
	if !exists(k.Next) && k.due(w, now) {
		var err error
		if k.Next, err = generate(algorithmFor(w)); err != nil {
			return k, err
		}
	}
	k.Rotated = latest(w.Rotate, k.Rotated)
	return k, nil
}

// Announced returns the keys after they were published: from now on, service
// providers have the overlap to read of the next one.
func (k Keys) Announced(w Wish, now time.Time) Keys {
	if exists(k.Next) && k.NextFrom.IsZero() {
		k.NextFrom = now.Add(w.Overlap)
	}
	return k
}

// LookAgain is when Step will have something to do by itself; zero for never.
func (k Keys) LookAgain(w Wish) time.Time {
	times := []time.Time{k.PreviousUntil, k.NextFrom}
	if w.Follow == nil && w.Interval > 0 && !exists(k.Next) {
		times = append(times, k.begins(w))
	}
	times = slices.DeleteFunc(times, time.Time.IsZero)
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
}

// Published are the certificates, PEM, that service providers are told beside the signing one's.
func (k Keys) Published() [][]byte {
	var all [][]byte
	if exists(k.Next) {
		all = append(all, certificateOf(k.Next))
	}
	if k.Previous != nil {
		all = append(all, k.Previous)
	}
	return all
}

// Equal reports whether both are the same.
func (k Keys) Equal(other Keys) bool {
	return samePair(k.Current, other.Current) && samePair(k.Next, other.Next) &&
		bytes.Equal(k.Previous, other.Previous) && bytes.Equal(k.Followed, other.Followed) &&
		k.CurrentSince.Equal(other.CurrentSince) && k.NextFrom.Equal(other.NextFrom) && k.PreviousUntil.Equal(other.PreviousUntil) &&
		k.Rotated == other.Rotated && k.Replaced == other.Replaced
}

// follow lets the user's pair sign. What is made here stays for the way back,
// but for a next pair, which nobody will sign with. In an emergency it is made
// anew: it may be what somebody knows.
func (k Keys) follow(w Wish, now time.Time, generate Generate) (Keys, error) {
	signed := k.Followed
	if signed == nil && exists(k.Current) {
		signed = certificateOf(k.Current)
	}
	if signed != nil && !SameCertificate(signed, w.Follow) {
		k.Previous, k.PreviousUntil = signed, now.Add(w.Overlap)
	}
	if asked(w.Replace, k.Replaced) {
		k.Previous, k.PreviousUntil = nil, time.Time{}
		if exists(k.Current) {
			pair, err := generate(algorithmFor(w))
			if err != nil {
				return k, err
			}
			k.Current, k.CurrentSince = pair, now
		}
	}
	k.Followed = w.Follow
	k.Next, k.NextFrom = admin.KeyPair{}, time.Time{}
	k.Replaced = latest(w.Replace, k.Replaced)
	return k, nil
}

// comeBack lets pairs made here sign again after one that the user brought.
func (k Keys) comeBack(w Wish, now time.Time) Keys {
	if k.Followed == nil {
		return k
	}
	if !SameCertificate(k.Followed, k.Current.Certificate) {
		k.Previous, k.PreviousUntil = k.Followed, now.Add(w.Overlap)
	}
	k.Followed, k.CurrentSince = nil, now
	return k
}

// replace makes the pair that signs from now on. Where that was asked for,
// nothing of the former pairs stays published.
func (k Keys) replace(w Wish, now time.Time, generate Generate) (Keys, error) {
	pair, err := generate(algorithmFor(w))
	if err != nil {
		return k, err
	}
	fresh := Keys{Current: pair, CurrentSince: now, Rotated: latest(w.Rotate, k.Rotated), Replaced: latest(w.Replace, k.Replaced)}
	if !asked(w.Replace, k.Replaced) {
		fresh.Previous, fresh.PreviousUntil = k.Previous, k.PreviousUntil
	}
	return fresh, nil
}

// due reports whether the next pair must be announced.
func (k Keys) due(w Wish, now time.Time) bool {
	return asked(w.Rotate, k.Rotated) || k.misfits(k.Current, w) || w.Interval > 0 && !now.Before(k.begins(w))
}

// begins is when a scheduled rotation announces the next pair.
func (k Keys) begins(w Wish) time.Time {
	since := k.CurrentSince
	if since.IsZero() {
		if info, err := keypair.InspectCertificate(k.Current.Certificate); err == nil {
			since = info.NotBefore
		}
	}
	return since.Add(w.Interval - w.Overlap)
}

// misfits reports whether a pair is of another algorithm than is declared.
func (k Keys) misfits(pair admin.KeyPair, w Wish) bool {
	if w.Algorithm == "" || !exists(pair) {
		return false
	}
	info, err := keypair.InspectCertificate(pair.Certificate)
	return err == nil && info.Algorithm != w.Algorithm
}

// SameCertificate compares the first certificates of two PEM texts.
func SameCertificate(a, b []byte) bool {
	first, _ := pem.Decode(a)
	second, _ := pem.Decode(b)
	return first != nil && second != nil && bytes.Equal(first.Bytes, second.Bytes)
}

// certificateOf is the pair's certificate without the chain that may follow it.
func certificateOf(pair admin.KeyPair) []byte {
	block, _ := pem.Decode(pair.Certificate)
	if block == nil {
		return pair.Certificate
	}
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
}

func algorithmFor(w Wish) keypair.Algorithm {
	if w.Algorithm == "" {
		return keypair.DefaultAlgorithm
	}
	return w.Algorithm
}

func exists(pair admin.KeyPair) bool { return len(pair.Certificate) > 0 }

func asked(token, done string) bool { return token != "" && token != done }

func latest(token, done string) string {
	if token == "" {
		return done
	}
	return token
}

func samePair(a, b admin.KeyPair) bool {
	return bytes.Equal(a.Certificate, b.Certificate) && bytes.Equal(a.PrivateKey, b.PrivateKey)
}
