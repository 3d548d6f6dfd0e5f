/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Summary tells what was copied, so that both ends can compare.
type Summary struct {
	// Bytes is the length of the copy.
	Bytes int64
	// SHA256 is its digest in hexadecimal.
	SHA256 string
}

// BackupSQLite writes a consistent copy of the database file at path to out.
// The server may serve and write meanwhile. The copy takes its size once more
// in the folder for temporary files while it is made.
func BackupSQLite(ctx context.Context, path string, out io.Writer) (Summary, error) {
	copied, err := vacuum(ctx, path)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = copied.Close() }()
	return transfer(out, copied)
}

// vacuum makes the copy, open and already without a name: whatever ends this
// process while it writes leaves no file behind.
func vacuum(ctx context.Context, path string) (*os.File, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the database file cannot be read: %w", err)
	}
	location, err := fileLocation(path, "mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", location)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	if err := checkOurs(ctx, db); err != nil {
		return nil, fmt.Errorf("%s cannot be copied: %w", path, describe(err))
	}
	folder, err := os.MkdirTemp("", "tegata-backup-")
	if err != nil {
		return nil, fmt.Errorf("room for the copy: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	name := filepath.Join(folder, "copy.db")
	// Made here, because SQLite would make it readable for everybody.
	copied, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- the name is ours
	if err != nil {
		return nil, fmt.Errorf("room for the copy: %w", err)
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, name); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the database: %w", describe(err)), copied.Close())
	}
	return copied, nil
}

// RestoreSQLite reads a backup from in and makes it the database file at path,
// which must not exist yet. It appears there whole or not at all: what is cut
// short, damaged, not Tegata's or of a newer schema is refused and leaves nothing.
func RestoreSQLite(ctx context.Context, path string, in io.Reader) (Summary, error) {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return Summary{}, fmt.Errorf("%s exists: stop the server and move it away before a backup takes its place", path+suffix)
		}
	}
	folder := filepath.Dir(path)
	temporary, err := os.CreateTemp(folder, ".tegata-restore-*") // 0600
	if err != nil {
		return Summary{}, fmt.Errorf("room for the database: %w", err)
	}
	defer func() { _ = errors.Join(temporary.Close(), os.Remove(temporary.Name())) }()
	summary, err := receive(ctx, temporary, in)
	if err != nil {
		return Summary{}, err
	}
	if err := inspect(ctx, temporary.Name(), summary.Bytes); err != nil {
		return Summary{}, fmt.Errorf("the backup is refused: %w", err)
	}
	if err := temporary.Sync(); err != nil {
		return Summary{}, fmt.Errorf("write the database: %w", err)
	}
	// A link, unlike a rename, never takes the place of a file that a server made meanwhile.
	if err := os.Link(temporary.Name(), path); err != nil {
		return Summary{}, fmt.Errorf("put the database in its place: %w", err)
	}
	return summary, syncFolder(folder)
}

// receive copies until in ends or ctx does. A read from a terminal or pipe
// cannot be called off; it is left to end with the process.
func receive(ctx context.Context, file *os.File, in io.Reader) (Summary, error) {
	type result struct {
		summary Summary
		err     error
	}
	done := make(chan result, 1)
	go func() {
		summary, err := transfer(file, in)
		done <- result{summary, err}
	}()
	select {
	case received := <-done:
		return received.summary, received.err
	case <-ctx.Done():
		return Summary{}, ctx.Err()
	}
}

func transfer(to io.Writer, from io.Reader) (Summary, error) {
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, digest), from)
	if err != nil {
		return Summary{}, fmt.Errorf("copy the database: %w", err)
	}
	return Summary{Bytes: n, SHA256: hex.EncodeToString(digest.Sum(nil))}, nil
}

// inspect checks that the file is an intact database of Tegata that this program can run on.
func inspect(ctx context.Context, path string, size int64) error {
	if err := checkHeader(path, size); err != nil {
		return err
	}
	// Nobody else has the file, and no further file must appear beside it.
	location, err := fileLocation(path, "mode=ro&immutable=1")
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", location)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("it is damaged: %s", verdict)
	}
	return checkOurs(ctx, db)
}

// The header of an SQLite file (https://www.sqlite.org/fileformat.html, 1.3).
const (
	headerBytes       = 100
	headerMagic       = "SQLite format 3\x00"
	headerPageSize    = 16 // two bytes; 1 means 65536
	headerPages       = 28 // four bytes
	largestPage       = 65536
	largestPageMarker = 1
)

// checkHeader tells what is no database at all from one that is cut short.
func checkHeader(path string, size int64) error {
	if size == 0 {
		return errors.New("it is empty")
	}
	file, err := os.Open(path) // #nosec G304 -- the name is ours
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	header := make([]byte, headerBytes)
	if n, err := io.ReadFull(file, header); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(string(header[:n]), headerMagic) {
		return errors.New("it is not an SQLite database")
	} else if n < headerBytes {
		return errors.New("it is cut short: even its header is not whole")
	}
	page := int64(binary.BigEndian.Uint16(header[headerPageSize:]))
	if page == largestPageMarker {
		page = largestPage
	}
	if whole := page * int64(binary.BigEndian.Uint32(header[headerPages:])); size < whole {
		return fmt.Errorf("it is cut short: %d of %d bytes arrived", size, whole)
	} else if size > whole {
		return fmt.Errorf("it is damaged: %d bytes arrived, but its header tells of %d", size, whole)
	}
	return nil
}

// checkOurs looks for what every database of Tegata holds, and for a schema that this program knows.
func checkOurs(ctx context.Context, db *sql.DB) error {
	var sealed, current int64
	err := db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM settings WHERE name = 'seal'),
		(SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied)`).Scan(&sealed, &current)
	if failure, ok := errors.AsType[*sqlite.Error](err); ok && failure.Code() != sqlite3.SQLITE_ERROR {
		return err
	}
	if err != nil || sealed != 1 || current == 0 {
		return errors.New("it is an SQLite database, but not one of Tegata")
	}
	known, err := latestSchema()
	if err != nil {
		return err
	}
	if current > known {
		return fmt.Errorf("it has schema version %d, newer than version %d that this program knows; use the newer program", current, known)
	}
	return nil
}

// latestSchema is the highest version among the migrations.
func latestSchema() (latest int64, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		number, _, _ := strings.Cut(filepath.Base(name), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", name, err)
		}
		latest = max(latest, version)
	}
	return latest, nil
}

// fileLocation is how the driver names a file, whatever characters its path has.
func fileLocation(path, parameters string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("database file: %w", err)
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: absolute, RawQuery: parameters}).String(), nil
}

// syncFolder makes a new name in it outlive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path) // #nosec G304 -- the administrator names it
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
