/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

// TestLogInsGoOnWhileTheAPIServerIsDown cuts the operator off from its API
// server: nobody who logs in may notice, and the operator catches up after it.
func TestLogInsGoOnWhileTheAPIServerIsDown(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	line := newProxy(t, c.operator.Config())
	t.Cleanup(startOperator(line.config, t.TempDir()))
	p := newNamespaceIn(t, c)
	p.settle()
	member := p.member("yamada", temporary)
	p.create(member)
	p.current(member)
	browser := formclient.New()
	p.choose(browser, member)

	line.cut()
	for range 3 {
		p.Expect(p.logIn(member.Spec.Mail, chosenPassword)).To(Equal(loggedIn))
	}
	late := p.member("late")
	p.create(late)
	p.change(member, func() { member.Spec.Suspended = ptrTo(true) })
	p.Consistently(func() string { p.refresh(late); return late.Status.ID }, time.Second, glance).Should(BeEmpty())

	line.mend()
	p.current(late, member)
	p.Expect(member.Status.State).To(Equal(v1alpha1.MemberSuspended))
	p.Expect(p.logIn(member.Spec.Mail, chosenPassword)).To(Equal(refusedLogIn))
}

// proxy is a line to an API server that can be cut.
type proxy struct {
	config  *rest.Config
	address string
	target  string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

func newProxy(t *testing.T, direct *rest.Config) *proxy {
	t.Helper()
	target := must(url.Parse("https://" + trimScheme(direct.Host)))
	line := &proxy{config: rest.CopyConfig(direct), target: target.Host, address: "127.0.0.1:0", open: map[net.Conn]bool{}}
	line.mend()
	line.address = line.listener.Addr().String()
	line.config.Host = "https://" + line.address
	t.Cleanup(line.cut)
	return line
}

func trimScheme(host string) string {
	if parsed, err := url.Parse(host); err == nil && parsed.Host != "" {
		return parsed.Host
	}
	return host
}

// cut refuses new connections and breaks those that are open.
func (l *proxy) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.listener.Close()
	for connection := range l.open {
		_ = connection.Close()
	}
	clear(l.open)
}

// mend listens again on the same address.
func (l *proxy) mend() {
	listener := must(net.Listen("tcp", l.address))
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(near)
		}
	}()
}

func (l *proxy) carry(near net.Conn) {
	far, err := net.Dial("tcp", l.target)
	if err != nil {
		_ = near.Close()
		return
	}
	l.mu.Lock()
	l.open[near], l.open[far] = true, true
	l.mu.Unlock()
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
}

const (
	manyMembers = 1000
	writers     = 8
)

// TestKilledOperatorLosesNobody kills the operator with SIGKILL again and again
// while 1,000 members are applied: in the end all are Ready, and each can log in.
func TestKilledOperatorLosesNobody(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	operator := newProcess(t, c)
	operator.start()
	t.Cleanup(operator.kill)
	p := newNamespaceIn(t, c)
	p.settle()

	members := make([]*v1alpha1.Member, manyMembers)
	for i := range members {
		members[i] = p.member(fmt.Sprintf("m%04d", i), temporary)
	}
	applied := make(chan struct{})
	go func() {
		defer close(applied)
		var group errgroup.Group
		group.SetLimit(writers)
		for _, member := range members {
			group.Go(func() error { return p.k8s.Create(ctx, member) })
		}
		p.Expect(group.Wait()).To(Succeed())
	}()
	kills := 0
	for running := true; running || kills < 5; kills++ {
		select {
		case <-applied:
			running = false
		default:
		}
		time.Sleep(time.Duration(300+rand.IntN(1200)) * time.Millisecond) // #nosec G404 -- the moment of a kill is arbitrary
		operator.kill()
		operator.start()
	}
	t.Logf("killed the operator %d times", kills)

	p.Eventually(func(g Gomega) {
		list := &v1alpha1.MemberList{}
		g.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
		ready := 0
		for i := range list.Items {
			if p.invariants(&list.Items[i]) == nil {
				ready++
			}
		}
		g.Expect(ready).To(Equal(manyMembers))
	}, 2*time.Minute, time.Second).Should(Succeed())

	var group errgroup.Group
	group.SetLimit(writers)
	for _, member := range members {
		group.Go(func() error {
			if outcome, page := p.logInWith(formclient.New(), member.Spec.Mail, p.temporaryPassword(member)); outcome != forcedChange {
				return fmt.Errorf("%s: %s: %d %s", member.Name, outcome, page.Status, page.Text())
			}
			return nil
		})
	}
	p.Expect(group.Wait()).To(Succeed())
}

// process is the operator's real binary as a child process.
type process struct {
	t       *testing.T
	binary  string
	data    string
	config  string
	log     *os.File
	command *exec.Cmd
}

func newProcess(t *testing.T, c *cluster) *process {
	t.Helper()
	directory := t.TempDir()
	o := &process{t: t, binary: filepath.Join(directory, "tegata-operator"), data: filepath.Join(directory, "data")}
	build := exec.Command("go", "build", "-o", o.binary, "tegata.dev/tegata/cmd/tegata-operator")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the operator: %v\n%s", err, output)
	}
	o.config = filepath.Join(directory, "kubeconfig")
	if err := os.WriteFile(o.config, must(c.operator.KubeConfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	o.log = must(os.Create(filepath.Join(directory, "operator.log")))
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = o.log.Seek(max(0, must(o.log.Seek(0, io.SeekEnd))-8000), io.SeekStart)
			t.Logf("operator log, its end:\n%s", must(io.ReadAll(o.log)))
		}
	})
	return o
}

func (o *process) start() {
	o.command = exec.Command(o.binary, "--kubeconfig="+o.config, "--data-dir="+o.data, "--health-probe-bind-address=0")
	o.command.Stdout, o.command.Stderr = o.log, o.log
	if err := o.command.Start(); err != nil {
		o.t.Fatal(err)
	}
}

func (o *process) kill() {
	_ = o.command.Process.Kill()
	_ = o.command.Wait()
}
