/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// checkPatience is how long a site may take to become ready.
	checkPatience = time.Minute
	// checkInterval is between two questions, and bounds each.
	checkInterval = 2 * time.Second
)

// check gets the URL until it answers 200. It stands in for curl, which no
// image of ours holds: the chart's test asks with it whether a site is ready.
func check(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkPatience, errors.New("gave up"))
	defer cancel()
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		err := get(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", url, err)
		}
	}
}

func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, checkInterval)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}
