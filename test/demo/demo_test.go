/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAssignmentsAreReadBackLiterally(t *testing.T) {
	g := NewWithT(t)
	value := "it's \"$HOME\" `id` \\ 株式会社"
	file := filepath.Join(t.TempDir(), "env")
	g.Expect(os.WriteFile(file, []byte(assignments([][2]string{{"TEGATA_PASSWORD", value}})), 0o600)).To(Succeed())
	output, err := exec.Command("sh", "-c", `. "$0"; printf %s "$TEGATA_PASSWORD"`, file).Output()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(output)).To(Equal(value))
}

func TestOneDemoADirectory(t *testing.T) {
	g := NewWithT(t)
	directory := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(directory, "env"), []byte("old"), 0o600)).To(Succeed())
	first, err := newDemo("../..", directory, "", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Join(directory, "env")).NotTo(BeAnExistingFile())
	_, err = newDemo("../..", directory, "", "")
	g.Expect(err).To(MatchError(ContainSubstring("another demo already runs in " + directory)))
	g.Expect(first.stop()).To(Succeed())
	again, err := newDemo("../..", directory, "", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.stop()).To(Succeed())
}

func TestTakenPortsAreNamed(t *testing.T) {
	g := NewWithT(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	defer taken.Close()
	_, err = listen(taken.Addr().String(), "the inbox page")
	g.Expect(err).To(MatchError(ContainSubstring(taken.Addr().String() + ", which the demo needs for the inbox page")))
}

func TestStopEndsTheWholeProcessGroup(t *testing.T) {
	g := NewWithT(t)
	directory := t.TempDir()
	child, err := launch(directory, "child", "sh", "-c", "sleep 600 & echo $!; wait")
	g.Expect(err).NotTo(HaveOccurred())
	var grandchild int
	g.Eventually(func() (err error) {
		content, err := os.ReadFile(filepath.Join(directory, "child.log"))
		if err != nil {
			return err
		}
		grandchild, err = strconv.Atoi(strings.TrimSpace(string(content)))
		return err
	}).WithTimeout(5 * time.Second).Should(Succeed())
	g.Expect(child.died()).To(Succeed())
	child.stop()
	g.Expect(child.died()).To(MatchError(ContainSubstring("child ended with signal: ")))
	g.Eventually(func() error { return syscall.Kill(grandchild, 0) }).WithTimeout(5 * time.Second).Should(MatchError(syscall.ESRCH))
}

func TestEverySampleIsRead(t *testing.T) {
	g := NewWithT(t)
	files, err := kustomized("../../config/samples")
	g.Expect(err).NotTo(HaveOccurred())
	objects, err := readObjects(files...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(objects)).To(BeNumerically(">=", len(files)))
}
