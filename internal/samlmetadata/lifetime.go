/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"tegata.dev/tegata/internal/samlxml"
)

// maxCacheDuration is as good as any longer one, and cannot overflow.
const maxCacheDuration = 10 * 365 * 24 * time.Hour

// readLifetime takes the earliest end and the shortest duration of the elements
// around the role and of its own (SAML metadata sections 2.3.1, 2.3.2, 2.4.1).
func (p *ServiceProvider) readLifetime(around []*samlxml.Element) error {
	for _, e := range around {
		if text, present := e.Lookup("validUntil"); present {
			end, err := parseTime(strings.Trim(text, samlxml.Space))
			if err != nil {
				return refuse("the metadata's validUntil is no time, such as 2030-01-31T00:00:00Z; ask for corrected metadata")
			}
			if p.ValidUntil.IsZero() || end.Before(p.ValidUntil) {
				p.ValidUntil = end
			}
		}
		if text, present := e.Lookup("cacheDuration"); present {
			duration, ok := parseDuration(strings.Trim(text, samlxml.Space))
			if !ok {
				return refuse("the metadata's cacheDuration is no duration, such as PT24H; ask for corrected metadata")
			}
			if p.CacheDuration == 0 || duration < p.CacheDuration {
				p.CacheDuration = duration
			}
		}
	}
	return nil
}

// parseTime reads an xs:dateTime. SAML times are UTC, and some leave that out
// (SAML core section 1.3.3).
func parseTime(text string) (time.Time, error) {
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		parsed, err = time.Parse("2006-01-02T15:04:05.999999999", text)
	}
	return parsed.UTC(), err
}

var durationForm = regexp.MustCompile(`^P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?$`)

// parseDuration reads a positive xs:duration in whole seconds; a year is 365
// days and a month 30.
func parseDuration(text string) (time.Duration, bool) {
	parts := durationForm.FindStringSubmatch(text)
	if parts == nil || strings.HasSuffix(text, "P") || strings.HasSuffix(text, "T") {
		return 0, false
	}
	const day = 24 * time.Hour
	total := time.Duration(0)
	for i, unit := range []time.Duration{365 * day, 30 * day, day, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.ParseInt("0"+parts[i+1], 10, 64) // at most nine digits
		if n > int64(maxCacheDuration/unit) {
			return maxCacheDuration, true
		}
		total = min(total+time.Duration(n)*unit, maxCacheDuration)
	}
	return max(total, time.Second), true
}
