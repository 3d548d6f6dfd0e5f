/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/idp/store"
)

// preparing is a database with a table of the numbers 1 to 5, whose single
// connection keeps its statements.
type preparing struct {
	*WithT
	*sql.DB
	ctx  context.Context
	path string
}

func newPreparing(t *testing.T) *preparing {
	p := &preparing{WithT: NewWithT(t), ctx: t.Context(), path: filepath.Join(t.TempDir(), "test.db")}
	p.DB = p.open(t, "_pragma=journal_mode(WAL)")
	p.exec(`CREATE TABLE numbers (n INTEGER PRIMARY KEY)`)
	p.exec(`INSERT INTO numbers VALUES (1), (2), (3), (4), (5)`)
	return p
}

func (p *preparing) open(t *testing.T, options string) *sql.DB {
	db, err := store.OpenPreparing("file:" + p.path + "?" + options)
	p.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { p.Expect(db.Close()).To(Succeed()) })
	return db
}

func (p *preparing) exec(query string, args ...any) {
	_, err := p.ExecContext(p.ctx, query, args...)
	p.Expect(err).NotTo(HaveOccurred())
}

func (p *preparing) number(query string, args ...any) (n int) {
	p.Expect(p.QueryRowContext(p.ctx, query, args...).Scan(&n)).To(Succeed())
	return n
}

func (p *preparing) kept() []string {
	kept, err := store.KeptStatements(p.ctx, p.DB)
	p.Expect(err).NotTo(HaveOccurred())
	return kept
}

const sumAbove = `SELECT COALESCE(SUM(n), 0) FROM numbers WHERE n > $1`

func TestStatementsAreKept(t *testing.T) {
	p := newPreparing(t)
	before := len(p.kept())
	for range 3 {
		p.Expect(p.number(sumAbove, 0)).To(Equal(15))
		p.Expect(p.number(sumAbove, 3)).To(Equal(9))
	}
	p.Expect(p.kept()).To(HaveLen(before + 1))

	for i := range 3 * store.MaxStatements {
		p.Expect(p.number(fmt.Sprintf(`SELECT %d`, i))).To(Equal(i))
		p.Expect(p.number(sumAbove, 4)).To(Equal(5))
	}
	kept := p.kept()
	p.Expect(kept).To(HaveLen(store.MaxStatements))
	p.Expect(kept).To(ContainElements(sumAbove, fmt.Sprintf(`SELECT %d`, 3*store.MaxStatements-1)))
	p.Expect(kept).NotTo(ContainElement(`SELECT 0`), "the one not called for longest goes")
}

// TestStatementIsAskedWhileItIsRead nests one query in itself, on one connection.
func TestStatementIsAskedWhileItIsRead(t *testing.T) {
	p := newPreparing(t)
	transaction, err := p.BeginTx(p.ctx, nil)
	p.Expect(err).NotTo(HaveOccurred())
	const query = `SELECT n FROM numbers WHERE n > $1 ORDER BY n`
	var read [][]int
	var nest func(above, depth int)
	nest = func(above, depth int) {
		rows, err := transaction.QueryContext(p.ctx, query, above)
		p.Expect(err).NotTo(HaveOccurred())
		defer func() { p.Expect(rows.Close()).To(Succeed()) }()
		var all []int
		for rows.Next() {
			var n int
			p.Expect(rows.Scan(&n)).To(Succeed())
			if all = append(all, n); depth > 0 && n == 4 {
				nest(n, depth-1)
			}
		}
		p.Expect(rows.Err()).NotTo(HaveOccurred())
		read = append(read, all)
	}
	nest(2, 2)
	p.Expect(read).To(Equal([][]int{{5}, {3, 4, 5}}))
	p.Expect(transaction.Commit()).To(Succeed())
}

func TestRowsOutliveOtherStatements(t *testing.T) {
	p := newPreparing(t)
	transaction, err := p.BeginTx(p.ctx, nil)
	p.Expect(err).NotTo(HaveOccurred())
	rows, err := transaction.QueryContext(p.ctx, `SELECT n FROM numbers ORDER BY n`)
	p.Expect(err).NotTo(HaveOccurred())
	defer func() { p.Expect(rows.Close()).To(Succeed()) }()
	for i := range 2 * store.MaxStatements {
		_, err := transaction.ExecContext(p.ctx, fmt.Sprintf(`UPDATE numbers SET n = n WHERE n = %d`, i))
		p.Expect(err).NotTo(HaveOccurred())
	}
	read := 0
	for rows.Next() {
		read++
	}
	p.Expect(rows.Err()).NotTo(HaveOccurred())
	p.Expect(read).To(Equal(5))
	p.Expect(transaction.Commit()).To(Succeed())
}

func TestStatementsFollowTheSchema(t *testing.T) {
	p := newPreparing(t)
	p.Expect(p.number(sumAbove, 0)).To(Equal(15))
	all := func() []string {
		rows, err := p.QueryContext(p.ctx, `SELECT * FROM numbers`)
		p.Expect(err).NotTo(HaveOccurred())
		defer func() { _ = rows.Close() }()
		p.Expect(rows.Next()).To(BeTrue())
		columns, err := rows.Columns()
		p.Expect(err).NotTo(HaveOccurred())
		p.Expect(rows.Err()).NotTo(HaveOccurred())
		return columns
	}
	p.Expect(all()).To(Equal([]string{"n"}))
	p.exec(`ALTER TABLE numbers ADD COLUMN word TEXT`)
	p.Expect(all()).To(Equal([]string{"n", "word"}))
	p.exec(`DROP TABLE numbers`)
	p.Expect(p.QueryRowContext(p.ctx, sumAbove, 0).Scan(new(int))).To(MatchError(ContainSubstring("no such table")))
	p.exec(`CREATE TABLE numbers (n INTEGER)`)
	p.exec(`INSERT INTO numbers VALUES (7)`)
	p.Expect(p.number(sumAbove, 0)).To(Equal(7))
}

func TestStatementsAreUsableAfterFailures(t *testing.T) {
	p := newPreparing(t)
	const insert = `INSERT INTO numbers VALUES ($1)`
	for n := 6; n < 9; n++ {
		p.exec(insert, n)
		_, err := p.ExecContext(p.ctx, insert, n)
		p.Expect(err).To(MatchError(ContainSubstring("UNIQUE constraint")))
		_, err = p.ExecContext(p.ctx, insert)
		p.Expect(err).To(MatchError(ContainSubstring("missing named argument")), "no value stays from the call before")
	}
	p.Expect(p.number(sumAbove, 5)).To(Equal(21))
}

// TestContextsEndBetweenStatements: what has begun goes on to its end, and the
// connection, with its statements, stays of use.
func TestContextsEndBetweenStatements(t *testing.T) {
	p := newPreparing(t)
	const insert = `INSERT INTO numbers VALUES ($1)`
	for n := 10; n < 12; n++ {
		ctx, cancel := context.WithCancel(p.ctx)
		transaction, err := p.BeginTx(ctx, nil)
		p.Expect(err).NotTo(HaveOccurred())
		_, err = transaction.ExecContext(ctx, insert, n)
		p.Expect(err).NotTo(HaveOccurred())
		cancel()
		_, err = transaction.ExecContext(ctx, insert, n+10)
		p.Expect(err).To(Or(MatchError(context.Canceled), MatchError(sql.ErrTxDone)))
		p.Expect(transaction.Commit()).NotTo(Succeed())
		p.Expect(p.number(sumAbove, 5)).To(BeZero(), "nothing is left of it")
		_, err = p.ExecContext(ctx, insert, n)
		p.Expect(err).To(MatchError(context.Canceled))
		_, err = p.BeginTx(ctx, nil)
		p.Expect(err).To(MatchError(context.Canceled))
	}
	p.Expect(p.kept()).To(ContainElements(insert, sumAbove))
}

// TestLocksAreWaitedForABoundedTime has two connections write.
func TestLocksAreWaitedForABoundedTime(t *testing.T) {
	p := newPreparing(t)
	const insert = `INSERT INTO numbers VALUES ($1)`
	patient := p.open(t, "_txlock=immediate&_pragma=busy_timeout(10000)")
	impatient := p.open(t, "_txlock=immediate&_pragma=busy_timeout(10)")
	for n := 10; n < 12; n++ {
		holding, err := p.BeginTx(p.ctx, nil)
		p.Expect(err).NotTo(HaveOccurred())
		_, err = holding.ExecContext(p.ctx, insert, n)
		p.Expect(err).NotTo(HaveOccurred())
		_, err = impatient.BeginTx(p.ctx, nil)
		p.Expect(err).To(MatchError(ContainSubstring("locked")))
		_, err = impatient.ExecContext(p.ctx, insert, n+10)
		p.Expect(err).To(MatchError(ContainSubstring("locked")))
		waited := make(chan error)
		go func() {
			_, err := patient.ExecContext(p.ctx, insert, n+20)
			waited <- err
		}()
		p.Expect(holding.Commit()).To(Succeed())
		p.Expect(<-waited).To(Succeed())
		_, err = impatient.ExecContext(p.ctx, insert, n+10)
		p.Expect(err).NotTo(HaveOccurred())
	}
	p.Expect(p.number(sumAbove, 5)).To(Equal(10 + 20 + 30 + 11 + 21 + 31))
}

func TestReadersCannotWriteByKeptStatements(t *testing.T) {
	p := newPreparing(t)
	reader := p.open(t, "_pragma=query_only(1)")
	for range 2 {
		_, err := reader.ExecContext(p.ctx, `INSERT INTO numbers VALUES (6)`)
		p.Expect(err).To(MatchError(ContainSubstring("readonly")))
		var sum int
		p.Expect(reader.QueryRowContext(p.ctx, sumAbove, 0).Scan(&sum)).To(Succeed())
		p.Expect(sum).To(Equal(15))
	}
}

// TestStatementsCloseWithTheirConnection: SQLite folds the log into the file
// when its last connection closes, which one with statements left never does.
func TestStatementsCloseWithTheirConnection(t *testing.T) {
	p := newPreparing(t)
	p.Expect(p.number(sumAbove, 0)).To(Equal(15))
	p.Expect(p.path + "-wal").To(BeAnExistingFile())
	p.Expect(p.Close()).To(Succeed())
	p.Expect(p.path + "-wal").NotTo(BeAnExistingFile())
}
