/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	hourly  = "0 * * * *"
	nightly = "0 3 * * *"
)

// fiveFields reads minute, hour, day of month, month and day of week.
var fiveFields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// schedule says when all accounts of a target are compared with the service.
type schedule struct{ when *cron.SpecSchedule }

// scheduleOf reads a target's schedule; timeZone is the tenant's.
func scheduleOf(target *v1alpha1.ProvisioningTarget, timeZone string, now time.Time) (schedule, error) {
	expression := nightly
	if target.Spec.EntraID != nil {
		expression = hourly
	}
	if declared := target.Spec.Schedule; declared != nil {
		expression, timeZone = declared.Cron, cmp.Or(declared.TimeZone, timeZone)
	}
	location, err := time.LoadLocation(timeZone)
	if err != nil {
		return schedule{}, fmt.Errorf("schedule.timeZone: there is no time zone %q; use a name such as Asia/Tokyo", timeZone)
	}
	if strings.Contains(expression, "=") {
		return schedule{}, errors.New("schedule.cron: the time zone goes into schedule.timeZone")
	}
	parsed, err := fiveFields.Parse(expression)
	if err != nil {
		return schedule{}, fmt.Errorf("schedule.cron: %q is no cron expression of five fields, such as 0 3 * * * (%w)", expression, err)
	}
	when, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return schedule{}, fmt.Errorf("schedule.cron: %q is no cron expression of five fields, such as 0 3 * * *", expression)
	}
	when.Location = location
	if when.Next(now).IsZero() {
		return schedule{}, fmt.Errorf("schedule.cron: %q never comes, for example as the month has no such day", expression)
	}
	return schedule{when}, nil
}

// after is when the schedule comes next after t.
func (s schedule) after(t time.Time) time.Time { return s.when.Next(t).UTC() }
