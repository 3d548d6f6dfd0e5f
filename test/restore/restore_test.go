/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package restore

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

func TestSQLite(t *testing.T) { testRestore(t, newWorld(t, "")) }

func TestPostgres(t *testing.T) { testRestore(t, newWorld(t, storetest.Postgres(t))) }

func testRestore(t *testing.T, w *world) {
	steps := []struct {
		name string
		test func(w *world)
	}{
		{"backup", (*world).testBackup},
		{"in the right order", (*world).testRightOrder},
		{"resources before the database", (*world).testBeforeDatabase},
		{"resources before Secrets, and Git newer than the backup", (*world).testBeforeSecrets},
	}
	for _, step := range steps {
		done := t.Run(step.name, func(t *testing.T) {
			other := w.in(t)
			step.test(other)
			w.provider, w.before, w.temporary = other.provider, other.before, other.temporary
		})
		if !done {
			return
		}
	}
}

// testBackup lives in the first cluster and takes the backup while it serves.
func (w *world) testBackup() {
	c := newCluster(w.t)
	c.startOperator(w.data)
	w.applyNamespaces(c)
	if w.dsn != "" {
		w.shell(c, `kubectl create secret generic tegata-database -n identity-system --from-literal=url="$DATABASE_URL"`)
		w.document(c, "### Secrets", "kubectl label")
	}
	w.applyGit(c)
	for _, name := range []string{"sato", "yamada", "suzuki"} {
		w.choose(name, w.temporaryPassword(c, name))
	}
	w.temporary = w.temporaryPassword(c, "ito")
	w.readMetadata()

	// Somebody leaves, and somebody is away.
	gone, err := os.ReadFile(filepath.Join(w.git, "member-yamada.yaml"))
	w.Expect(err).NotTo(HaveOccurred())
	w.commit("../yamada.yaml", string(gone))
	w.shell(c, "kubectl delete -f git/member-yamada.yaml && rm git/member-yamada.yaml")
	away, err := os.ReadFile(filepath.Join(w.git, "member-suzuki.yaml"))
	w.Expect(err).NotTo(HaveOccurred())
	w.commit("member-suzuki.yaml", string(away)+"  suspended: true\n")
	w.applyGit(c)
	w.Eventually(func() v1alpha1.MemberState { return w.member(c, "suzuki").Status.State }, patience, glance).Should(Equal(v1alpha1.MemberSuspended))

	w.before = w.look(c)
	w.Expect(w.before.ids).To(HaveLen(3))
	w.Expect(w.before.subject.nameID).To(MatchRegexp(`^[a-z2-7]{52}$`), "made here, for this app alone")
	w.Expect(w.before.subject).To(Equal(subject{nameID: w.before.subject.nameID, id: w.before.ids["sato"], group: "営業部"}))

	w.document(c, "### Secrets", "kubectl get")
	if w.dsn == "" {
		w.Expect(w.document(c, "### SQLite of an embedded server", "backup")).To(MatchRegexp(`^backup of \d+ bytes done`))
	} else {
		w.document(c, "### PostgreSQL", "pg_dump")
	}
	w.checkSecrets(c)
}

// checkSecrets expects the right Secrets in the backup, readable by nobody else, with nothing of this cluster.
func (w *world) checkSecrets(c *cluster) {
	file := filepath.Join(w.folder, "secrets.yaml")
	mode, err := os.Stat(file)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(mode.Mode()).To(BeEquivalentTo(0o600))
	content, err := os.ReadFile(file) // #nosec G304 -- the test's own file
	w.Expect(err).NotTo(HaveOccurred())
	for _, stranger := range []string{"uid", "resourceVersion", "ownerReferences", "managedFields", "creationTimestamp", "annotations"} {
		w.Expect(string(content)).NotTo(ContainSubstring(stranger))
	}
	var names []string
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for text, err := reader.Read(); !errors.Is(err, io.EOF); text, err = reader.Read() {
		w.Expect(err).NotTo(HaveOccurred())
		saved, live := &corev1.Secret{}, &corev1.Secret{}
		w.Expect(yaml.UnmarshalStrict(text, saved)).To(Succeed())
		w.Expect(c.k8s.Get(w.t.Context(), client.ObjectKeyFromObject(saved), live)).To(Succeed())
		w.Expect(saved.Data).To(Equal(live.Data))
		w.Expect(saved.Type).To(Equal(live.Type))
		names = append(names, saved.Namespace+"/"+saved.Name)
	}
	expected := []string{"acme/acme-saml-signing", "acme/ito-temporary-password", "identity-system/id-encryption"}
	if w.dsn != "" {
		expected = append(expected, "identity-system/tegata-database")
	}
	w.Expect(names).To(ConsistOf(expected))
}

// emptyDatabase is what a new cluster finds.
func (w *world) emptyDatabase() {
	w.t.Helper()
	w.Expect(os.RemoveAll(w.data)).To(Succeed())
	if w.dsn == "" {
		return
	}
	db, err := sql.Open("pgx", w.dsn)
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(w.t.Context(), `DROP SCHEMA public CASCADE; CREATE SCHEMA public`)
	w.Expect(err).NotTo(HaveOccurred())
}

func (w *world) restoreSecrets(c *cluster) {
	w.t.Helper()
	w.document(c, "## Restoring into an empty cluster", "secrets.yaml")
}

func (w *world) restoreDatabase(c *cluster) {
	w.t.Helper()
	if w.dsn == "" {
		w.document(c, "### Database: SQLite of an embedded server", "restore")
		return
	}
	w.document(c, "### Database: PostgreSQL", "pg_restore")
}

// checkRestored expects everything to be as it was before.
func (w *world) checkRestored(c *cluster) {
	w.t.Helper()
	// What was Ready before the database was replaced is so until it is looked at again.
	w.Eventually(func() map[string]string { return w.ids(c) }, patience, glance).Should(Equal(w.before.ids))
	w.Expect(w.look(c)).To(Equal(w.before))
	w.Expect(w.outcome("suzuki", chosenPassword)).To(Equal(refused))
	w.Expect(w.member(c, "suzuki").Status.State).To(Equal(v1alpha1.MemberSuspended))
	w.Expect(w.outcome("yamada", chosenPassword)).To(Equal(refused))
}

func (w *world) testRightOrder() {
	w.emptyDatabase()
	c := newCluster(w.t)
	w.applyNamespaces(c)
	w.restoreSecrets(c)
	w.restoreDatabase(c)
	c.startOperator(w.data)
	w.applyGit(c)
	w.checkRestored(c)

	// A password not handed over yet is in its Secret, which is the member's again and goes when it is used.
	w.Expect(w.temporaryPassword(c, "ito")).To(Equal(w.temporary))
	w.choose("ito", w.temporary)
	w.Eventually(func() bool {
		return apierrors.IsNotFound(c.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: "acme", Name: "ito-temporary-password"}, &corev1.Secret{}))
	}, patience, glance).Should(BeTrue())

	// Somebody who was deleted before the backup comes back by the manifest alone.
	w.shell(c, "kubectl apply -f yamada.yaml && kubectl wait --for=condition=Ready member/yamada -n acme --timeout=60s")
	w.Expect(w.outcome("yamada", chosenPassword)).To(Equal(loggedIn))
}

func (w *world) testBeforeDatabase() {
	w.emptyDatabase()
	c := newCluster(w.t)
	c.startOperator(w.data)
	w.applyNamespaces(c)
	w.restoreSecrets(c)
	w.applyGit(c)
	fresh := w.temporaryPassword(c, "ito")
	w.Expect(fresh).NotTo(Equal(w.temporary), "a password from elsewhere was issued again")
	w.Expect(w.outcome("ito", fresh)).To(Equal(forcedChange))
	w.Expect(w.member(c, "sato").Status.ID).NotTo(Equal(w.before.ids["sato"]))
	w.Expect(w.outcome("sato", chosenPassword)).To(Equal(refused))

	section := "## If it went in the wrong order"
	w.document(c, section, "kubectl delete identityserver")
	w.restoreSecrets(c)
	if w.dsn == "" {
		output, err := w.try(c, w.command("### Database: SQLite of an embedded server", "restore"))
		w.Expect(err).To(HaveOccurred())
		w.Expect(output).To(ContainSubstring("exists: stop the server and move it away"))
		w.shell(c, "mkdir aside && mv /var/lib/tegata/identity-system/id/tegata.db* aside")
		w.restoreDatabase(c)
	} else {
		output, err := w.try(c, w.command("### Database: PostgreSQL", "pg_restore"))
		w.Expect(err).To(HaveOccurred())
		w.Expect(output).To(ContainSubstring("already exists"))
		w.document(c, section, "pg_restore")
	}
	w.applyGit(c)
	w.checkRestored(c)
	w.Expect(w.temporaryPassword(c, "ito")).To(Equal(w.temporary))
	w.Expect(w.outcome("ito", w.temporary)).To(Equal(forcedChange))
}

func (w *world) testBeforeSecrets() {
	w.emptyDatabase()
	c := newCluster(w.t)
	c.startOperator(w.data)
	w.applyNamespaces(c)
	w.restoreDatabase(c)
	if w.dsn != "" {
		w.shell(c, `kubectl create secret generic tegata-database -n identity-system --from-literal=url="$DATABASE_URL"`)
	}
	// Since the backup somebody has come.
	sato, err := os.ReadFile(filepath.Join(w.git, "member-sato.yaml"))
	w.Expect(err).NotTo(HaveOccurred())
	w.commit("member-watanabe.yaml", strings.NewReplacer("sato", "watanabe", "0001", "0005").Replace(string(sato)))
	w.shell(c, "kubectl apply -f git")
	server := &v1alpha1.IdentityServer{}
	w.Eventually(func(g Gomega) {
		g.Expect(c.k8s.Get(w.t.Context(), client.ObjectKey{Namespace: "identity-system", Name: "id"}, server)).To(Succeed())
		ready := meta.FindStatusCondition(server.Status.Conditions, v1alpha1.ReadyCondition)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready.Reason).To(Equal(v1alpha1.StartFailedReason))
		g.Expect(ready.Message).To(ContainSubstring("the sealing key is not the one this database was made with"))
	}, patience, glance).Should(Succeed())

	w.restoreSecrets(c)
	w.applyGit(c)
	w.Expect(w.member(c, "watanabe").Status.ID).NotTo(BeEmpty())
	w.Expect(w.outcome("watanabe", w.temporaryPassword(c, "watanabe"))).To(Equal(forcedChange))
	w.before.ids["watanabe"] = w.member(c, "watanabe").Status.ID
	w.checkRestored(c)
}
