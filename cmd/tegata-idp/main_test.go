/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/idp/mail"
)

func nothing(string) (string, bool) { return "", false }

// file writes a file and returns its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	NewWithT(t).Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	return path
}

func TestParse(t *testing.T) {
	g := NewWithT(t)
	environment := map[string]string{"TEGATA_EXTERNAL_URL": "https://ignored.example.com", "TEGATA_LOG_LEVEL": "debug"}
	c, err := parse([]string{
		"--external-url=https://id.example.com", "--postgres-dsn-file=" + file(t, "postgres://db/idp\n"),
		"--key-file=" + file(t, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"), "--trusted-proxies=10.1.2.3/8, ::1",
		"--smtp-host=mail.example.com", "--smtp-from=id@example.com", "--smtp-username=id", "--smtp-password-file=" + file(t, "s3cret\n"),
	}, func(name string) (string, bool) { value, ok := environment[name]; return value, ok }, &bytes.Buffer{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.options.ExternalURL).To(Equal("https://id.example.com"), "a flag wins over the environment")
	g.Expect(c.level).To(Equal(slog.LevelDebug))
	g.Expect(c.options.PostgresDSN).To(Equal("postgres://db/idp"))
	g.Expect(c.options.Key).To(Equal(bytes.Repeat([]byte{7}, 32)))
	g.Expect(c.options.TrustedProxies).To(Equal([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}))
	g.Expect(c.options.SMTP.Password).To(Equal("s3cret"))
	g.Expect(c.options.SMTP.Security).To(Equal(mail.SecurityStartTLS))
}

func TestWrongFlags(t *testing.T) {
	good := []string{"--external-url=https://id.example.com", "--sqlite=idp.db", "--key-file=" + file(t, strings.Repeat("k", 32))}
	for want, arguments := range map[string][]string{
		"--external-url":         {"--external-url=http://id.example.com"},
		"either --sqlite or":     {"--sqlite="},
		"--key-file":             {"--key-file=" + file(t, "short")},
		"--key-file is required": {"--key-file="},
		"--trusted-proxies":      {"--trusted-proxies=everyone"},
		"--admin-listen needs":   {"--admin-listen=:8443"},
		"--smtp-security":        {"--smtp-host=m", "--smtp-from=a@b.example", "--smtp-security=SSL"},
		"--smtp-from":            {"--smtp-host=m"},
		"--smtp-password-file":   {"--smtp-host=m", "--smtp-from=a@b.example", "--smtp-username=u"},
		"--smtp-ca-file":         {"--smtp-host=m", "--smtp-from=a@b.example", "--smtp-ca-file=" + file(t, "x")},
		"above zero":             {"--session-lifetime=0s"},
		"log-level":              {"--log-level=loud"},
		"not defined":            {"--colour"},
		"unexpected argument":    {"serve"},
		"--postgres-dsn-file":    {"--sqlite=", "--postgres-dsn-file=" + file(t, " ")},
		"no such file":           {"--key-file=/nowhere/key"},
	} {
		var errOut bytes.Buffer
		code := run(context.Background(), append(good[:len(good):len(good)], arguments...), nothing, &bytes.Buffer{}, &errOut)
		if code != exitUsage || !strings.Contains(errOut.String(), want) {
			t.Errorf("%v: code %d, %q; want %q", arguments, code, errOut.String(), want)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	g := NewWithT(t)
	var out, errOut bytes.Buffer
	g.Expect(run(context.Background(), []string{"--version"}, nothing, &out, &errOut)).To(Equal(0))
	g.Expect(out.String()).To(Equal("tegata-idp dev\n"))
	g.Expect(run(context.Background(), []string{"--help"}, nothing, &out, &errOut)).To(Equal(0))
	g.Expect(errOut.String()).To(ContainSubstring("-external-url"))
}

// output is a buffer that the server writes while the test reads.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

func TestRunUntilStopped(t *testing.T) {
	g := NewWithT(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	errOut, code := &output{}, make(chan int, 1)
	go func() {
		code <- run(ctx, []string{
			"--external-url=http://localhost", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--drain-delay=0s",
			"--sqlite=" + filepath.Join(t.TempDir(), "idp.db"), "--key-file=" + file(t, strings.Repeat("k", 32)),
		}, nothing, &bytes.Buffer{}, errOut)
	}()
	g.Eventually(errOut.String, 10*time.Second).Should(ContainSubstring(`"msg":"Started"`))
	stop()
	g.Eventually(code, 10*time.Second).Should(Receive(Equal(0)))
	g.Expect(errOut.String()).To(ContainSubstring(`"msg":"Stopped"`))

	failed := &output{}
	g.Expect(run(context.Background(), []string{
		"--external-url=http://localhost", "--listen=127.0.0.1:none", "--sqlite=/nowhere/idp.db", "--key-file=" + file(t, strings.Repeat("k", 32)),
	}, nothing, &bytes.Buffer{}, failed)).To(Equal(exitFailure))
	g.Expect(failed.String()).To(ContainSubstring("listen for browsers"))
}
