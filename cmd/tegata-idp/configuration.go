/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/web"
)

const keyLength = 32

// configuration is what flags, environment and files say.
type configuration struct {
	options idp.Options
	level   slog.Level
	version bool

	metricsAddress string
	adminAddress   string
	adminFiles     tlsFiles
}

// raw are flags that need reading before they are options.
type raw struct {
	postgresFile, keyFile, proxies string
	smtp                           smtpFlags
}

// parse reads the flags; one that is not given is taken from the environment
// as TEGATA_ and its name in capitals with _ for -. Errors name the flag.
func parse(arguments []string, environment func(string) (string, bool), errOut io.Writer) (*configuration, error) {
	c, r := &configuration{}, &raw{}
	flags := define(c, r)
	flags.SetOutput(io.Discard)
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(errOut)
			flags.Usage()
			for _, c := range commands {
				fmt.Fprintf(errOut, "tegata-idp %s --sqlite file\n    \t%s\n", c.name, c.purpose)
			}
		}
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is set by flags, see --help", flags.Arg(0))
	}
	if err := fromEnvironment(flags, environment); err != nil || c.version {
		return c, err
	}
	return c, c.complete(r)
}

func define(c *configuration, r *raw) *flag.FlagSet {
	flags := flag.NewFlagSet("tegata-idp", flag.ContinueOnError)
	o := &c.options
	flags.StringVar(&o.ExternalURL, "external-url", "", "the `URL` browsers see, such as https://id.example.com (required)")
	flags.StringVar(&o.Address, "listen", ":8080", "`address` to serve browsers on, by plain HTTP behind what ends TLS")
	flags.StringVar(&c.metricsAddress, "metrics-listen", "", "`address` to serve Prometheus metrics on; empty serves none")
	flags.StringVar(&c.adminAddress, "admin-listen", "", "`address` to serve the operator on, by mutual TLS; empty serves none")
	flags.StringVar(&c.adminFiles.certificate, "admin-certificate-file", "", "`file` with the PEM certificate of the admin address")
	flags.StringVar(&c.adminFiles.key, "admin-key-file", "", "`file` with its PEM private key")
	flags.StringVar(&c.adminFiles.clientCA, "admin-client-ca-file", "", "`file` with the PEM certificates that sign the operator's")
	flags.StringVar(&o.SQLitePath, "sqlite", "", "`file` of the SQLite database, made when absent")
	flags.StringVar(&r.postgresFile, "postgres-dsn-file", "", "`file` with a PostgreSQL connection string, instead of --sqlite")
	flags.StringVar(&r.keyFile, "key-file", "", "`file` with the 32-byte key that seals secrets at rest, raw or base64 (required)")
	flags.StringVar(&r.proxies, "trusted-proxies", "", "comma-separated `prefixes` of proxies whose X-Forwarded-For is believed")
	flags.DurationVar(&o.SessionLifetime, "session-lifetime", 12*time.Hour, "how long a log-in lasts")
	flags.DurationVar(&o.AuditRetention, "audit-retention", 400*24*time.Hour, "how long audit entries are kept")
	flags.DurationVar(&o.DrainDelay, "drain-delay", 5*time.Second, "how long to go on serving after readiness goes off")
	r.smtp.define(flags)
	flags.TextVar(&c.level, "log-level", slog.LevelInfo, "`level` of the log: debug, info, warn or error")
	flags.BoolVar(&c.version, "version", false, "print the version and exit")
	return flags
}

func fromEnvironment(flags *flag.FlagSet, environment func(string) (string, bool)) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var failed error
	flags.VisitAll(func(f *flag.Flag) {
		name := "TEGATA_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := environment(name)
		if !ok || given[f.Name] || failed != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = fmt.Errorf("%s: %w", name, err)
		}
	})
	return failed
}

// complete checks the flags against each other and reads the files they name.
func (c *configuration) complete(r *raw) error {
	o := &c.options
	if _, err := web.ParseExternalURL(o.ExternalURL); err != nil {
		return fmt.Errorf("--external-url: %w", err)
	}
	if (o.SQLitePath == "") == (r.postgresFile == "") {
		return errors.New("give either --sqlite or --postgres-dsn-file")
	}
	if o.SessionLifetime <= 0 || o.AuditRetention <= 0 || o.DrainDelay < 0 {
		return errors.New("--session-lifetime and --audit-retention must be above zero, --drain-delay not below")
	}
	if c.adminAddress != "" && !c.adminFiles.complete() {
		return errors.New("--admin-listen needs --admin-certificate-file, --admin-key-file and --admin-client-ca-file")
	}
	for _, read := range []func(*raw) error{c.readPostgres, c.readKey, c.readProxies, c.readSMTP} {
		if err := read(r); err != nil {
			return err
		}
	}
	return nil
}

func (c *configuration) readPostgres(r *raw) error {
	if r.postgresFile == "" {
		return nil
	}
	dsn, err := os.ReadFile(r.postgresFile)
	if err != nil {
		return fmt.Errorf("--postgres-dsn-file: %w", err)
	}
	c.options.PostgresDSN = string(bytes.TrimSpace(dsn))
	if c.options.PostgresDSN == "" {
		return fmt.Errorf("--postgres-dsn-file: %s is empty", r.postgresFile)
	}
	return nil
}

func (c *configuration) readKey(r *raw) error {
	if r.keyFile == "" {
		return errors.New("--key-file is required: a file with 32 random bytes, raw or base64")
	}
	content, err := os.ReadFile(r.keyFile)
	if err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	key := content
	if len(key) != keyLength {
		decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(content)))
		if err != nil || len(decoded) != keyLength {
			return fmt.Errorf("--key-file: %s holds neither 32 bytes nor 32 bytes in base64", r.keyFile)
		}
		key = decoded
	}
	c.options.Key = key
	return nil
}

func (c *configuration) readProxies(r *raw) error {
	for text := range strings.SplitSeq(r.proxies, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, addressErr := netip.ParseAddr(text)
			if addressErr != nil {
				return fmt.Errorf("--trusted-proxies: %q is neither a prefix such as 10.0.0.0/8 nor an address", text)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		c.options.TrustedProxies = append(c.options.TrustedProxies, prefix.Masked())
	}
	return nil
}
