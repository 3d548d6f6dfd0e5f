/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// process is the program as it runs in the test.
type process struct {
	*WithT
	log  *output
	code chan int
	stop context.CancelFunc
	// site is the base of URLs; operator reaches the admin API.
	site     string
	operator admin.Service
}

var listening = regexp.MustCompile(`"for":"(browsers|the operator)","address":"([^"]+)"`)

// begin runs the program until the test ends.
func begin(t *testing.T, database ...string) *process {
	t.Helper()
	certificate, key := selfSigned(t)
	operatorCertificate, operatorKey := selfSigned(t)
	ctx, stop := context.WithCancel(context.Background())
	p := &process{WithT: NewWithT(t), log: &output{}, code: make(chan int, 1), stop: stop}
	arguments := append([]string{
		"--external-url=http://localhost", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--drain-delay=0s",
		"--admin-certificate-file=" + file(t, certificate), "--admin-key-file=" + file(t, key), "--admin-client-ca-file=" + file(t, operatorCertificate),
		"--key-file=" + file(t, string(storetest.Key())),
	}, database...)
	go func() { p.code <- run(ctx, arguments, nothing, &bytes.Buffer{}, p.log) }()
	t.Cleanup(func() {
		stop()
		p.Eventually(p.code, 10*time.Second).Should(Receive(Equal(0)), p.log.String())
	})
	p.Eventually(func() int { return len(listening.FindAllString(p.log.String(), -1)) }, 10*time.Second).Should(Equal(2), p.log.String())
	for _, found := range listening.FindAllStringSubmatch(p.log.String(), -1) {
		if found[1] == "browsers" {
			p.site = "http://" + found[2]
		} else {
			p.operator = client(t, found[2], operatorCertificate, operatorKey, certificate)
		}
	}
	return p
}

// unavailable is why the admin API serves nothing; "" where it does.
func (p *process) unavailable() string {
	_, err := p.operator.About(context.Background())
	if told, ok := errors.AsType[*admin.UnavailableError](err); ok {
		return told.Reason
	}
	p.Expect(err).NotTo(HaveOccurred())
	return ""
}

// browser makes a connection for each request, as kept ones hide refused ones.
var browser = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func get(by *http.Client, target string) (status int, header http.Header, body string, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, "", err
	}
	response, err := by.Do(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, string(content), err
}

// TestWaitsForItsDatabase starts before PostgreSQL can be reached, and loses no
// request when it can.
func TestWaitsForItsDatabase(t *testing.T) {
	dsn := storetest.Postgres(t)
	folder := t.TempDir() // where no server's socket is yet
	host := strings.TrimPrefix(strings.Fields(dsn)[0], "host=")
	p := begin(t, "--postgres-dsn-file="+file(t, strings.Replace(dsn, host, folder, 1)+" password=hunter2"))
	p.Eventually(p.unavailable, 10*time.Second).Should(ContainSubstring("PostgreSQL server does not answer"))
	p.Expect(p.unavailable()).NotTo(ContainSubstring("\n"))
	_, err := p.operator.Apply(t.Context(), nil)
	p.Expect(err).To(MatchError(ContainSubstring("PostgreSQL server")))
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/login": http.StatusServiceUnavailable} {
		status, header, body, err := get(browser, p.site+path)
		p.Expect(err).NotTo(HaveOccurred())
		p.Expect(status).To(Equal(want), path)
		p.Expect(header.Get("Retry-After") != "").To(Equal(want != http.StatusOK), path)
		p.Expect(body).NotTo(ContainSubstring(folder), "how the database is reached is nobody's business")
	}

	kept := &http.Client{Transport: &http.Transport{}}
	defer kept.CloseIdleConnections()
	stop, answered := load(p, browser, kept)
	p.Eventually(answered, 10*time.Second).Should(BeNumerically(">", 50))
	p.Expect(os.Symlink(filepath.Join(host, ".s.PGSQL.5432"), filepath.Join(folder, ".s.PGSQL.5432"))).To(Succeed())
	p.Eventually(p.unavailable, 30*time.Second).Should(BeEmpty())
	before := answered()
	p.Eventually(answered, 10*time.Second).Should(BeNumerically(">", before+50))
	for status, times := range stop() {
		p.Expect(status).To(BeElementOf(http.StatusOK, http.StatusServiceUnavailable), "%d times", times)
	}
	p.Expect(p.operator.About(t.Context())).To(Equal(admin.About{Version: "dev"}))
	status, _, _, err := get(browser, p.site+"/readyz")
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(status).To(Equal(http.StatusOK))
	p.Expect(p.log.String()).NotTo(ContainSubstring("hunter2"))
}

// load asks for the log-in page again and again until it is stopped; a request
// without an answer fails the test.
func load(p *process, clients ...*http.Client) (stop func() map[int]int, answered func() int64) {
	var ending atomic.Bool
	var count atomic.Int64
	var asking sync.WaitGroup
	var mu sync.Mutex
	statuses, failures := map[int]int{}, []error{}
	for i := range 8 {
		asking.Go(func() {
			for !ending.Load() {
				status, _, _, err := get(clients[i%len(clients)], p.site+"/login")
				mu.Lock()
				if err != nil {
					failures = append(failures, err)
				} else {
					statuses[status]++
				}
				mu.Unlock()
				count.Add(1)
			}
		})
	}
	return func() map[int]int {
		ending.Store(true)
		asking.Wait()
		p.Expect(failures).To(BeEmpty())
		return statuses
	}, count.Load
}

func TestSaysWhyItWaits(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"another key": {func(t *testing.T, path string) {
			made(t, store.Options{SQLitePath: path, Key: bytes.Repeat([]byte{8}, 32)})
		}, "the sealing key is not the one"},
		"newer schema": {func(t *testing.T, path string) {
			made(t, store.Options{SQLitePath: path, Key: storetest.Key()})
			execute(t, "sqlite", path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`)
		}, "schema version 999, newer than"},
		"no database": {func(t *testing.T, path string) {
			NewWithT(t).Expect(os.WriteFile(path, bytes.Repeat([]byte("text "), 1000), 0o600)).To(Succeed())
		}, "not an SQLite database"},
		"no folder": {func(t *testing.T, path string) {
			NewWithT(t).Expect(os.Remove(filepath.Dir(path))).To(Succeed())
		}, "cannot be opened"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "idp.db")
			test.prepare(t, path)
			p := begin(t, "--sqlite="+path)
			p.Eventually(p.unavailable, 10*time.Second).Should(ContainSubstring(test.want))
			p.Eventually(p.log.String, 10*time.Second).Should(ContainSubstring(test.want))
			p.stop()
			p.Eventually(p.code, 10*time.Second).Should(Receive(Equal(0)), "a termination is not an error")
			p.code <- 0 // for the cleanup
		})
	}
}

// TestWrongPasswordIsTold has PostgreSQL refuse a password until it is made right.
func TestWrongPasswordIsTold(t *testing.T) {
	g := NewWithT(t)
	dsn := storetest.Postgres(t)
	rules := ""
	db, err := sql.Open("pgx", dsn)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(db.Close()).To(Succeed()) }()
	g.Expect(db.QueryRowContext(t.Context(), "SHOW hba_file").Scan(&rules)).To(Succeed())
	trusting, err := os.ReadFile(rules)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(rules, append([]byte("local all stranger scram-sha-256\n"), trusting...), 0o600)).To(Succeed())
	execute(t, "pgx", dsn, `CREATE ROLE stranger LOGIN SUPERUSER PASSWORD 'hunter1'; SELECT pg_reload_conf()`)
	t.Cleanup(func() { execute(t, "pgx", dsn, `REASSIGN OWNED BY stranger TO tegata; DROP ROLE stranger`) })

	p := begin(t, "--postgres-dsn-file="+file(t, strings.Replace(dsn, "user=tegata", "user=stranger password=hunter2", 1)))
	p.Eventually(p.unavailable, 10*time.Second).Should(ContainSubstring(`password authentication failed for user "stranger"`))
	execute(t, "pgx", dsn, `ALTER ROLE stranger PASSWORD 'hunter2'`)
	p.Eventually(p.unavailable, 30*time.Second).Should(BeEmpty())
	p.Expect(p.log.String()).NotTo(ContainSubstring("hunter2"))
}

func TestAReasonIsLoggedOnce(t *testing.T) {
	g := NewWithT(t)
	var lines []string
	w := newWaiting(funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{}))
	for _, reason := range []string{"down", "down", "refused\n\tby the host", "refused\n\tby the host", "down"} {
		w.because(errors.New(reason))
	}
	g.Expect(lines).To(HaveLen(3))
	g.Expect(lines[1]).To(ContainSubstring("refused by the host"))
}

// made is a database as a server left it.
func made(t *testing.T, options store.Options) {
	t.Helper()
	g := NewWithT(t)
	s, err := store.Open(t.Context(), options)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Close()).To(Succeed())
}

func execute(t *testing.T, driver, dsn, statement string) {
	t.Helper()
	g := NewWithT(t)
	db, err := sql.Open(driver, dsn)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = db.ExecContext(context.WithoutCancel(t.Context()), statement)
	g.Expect(errors.Join(err, db.Close())).To(Succeed(), fmt.Sprint(driver))
}
