/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inside is where the processes of the node see the cluster's directory, wherever the machine has it.
// It is short because a socket's path must be.
const inside = "/run/tegata"

// restartDelay keeps a component that fails at once from eating the machine.
const restartDelay = time.Second

// runNode is the first process in namespaces of its own: whatever the node does to mounts, network, packet filter and
// processes is undone by the kernel when this process is killed. It waits for the end of input, which says that the
// network is there, and never returns without an error.
func runNode(directory string, network io.Reader) error {
	if os.Getpid() != 1 {
		return errors.New("node is run by up")
	}
	if err := unix.Sethostname([]byte(nodeName)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := mountNode(directory); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, network); err != nil {
		return err
	}
	for _, arguments := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "address", "add", nodeAddress + linkLength, "dev", "eth0"},
		{"ip", "link", "set", "eth0", "up"},
		{"ip", "route", "add", "default", "via", hostAddress},
	} {
		if err := execute(arguments...); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return err
	}
	// kubelet's and kube-proxy's iptables find the programs of the machine; ours come first.
	if err := os.Setenv("PATH", inside+"/bin:"+os.Getenv("PATH")); err != nil {
		return err
	}
	s := &supervisor{running: make(map[int]string), ended: make(map[string]time.Time)}
	go s.reap()
	for ; ; time.Sleep(200 * time.Millisecond) {
		for _, c := range components() {
			s.tend(c)
		}
	}
}

// sysctls are what kubelet wants of the kernel. They hold for the whole machine, so it is shown files instead.
var sysctls = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// mountNode gives the node its own /proc, /run, /var/lib and /var/log, where container runtimes keep things.
func mountNode(directory string) error {
	// Held open, because the directory may be below what gets covered.
	held, err := unix.Open(directory, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", directory, err)
	}
	source := "/proc/self/fd/" + strconv.Itoa(held)
	type mount struct {
		source, target, kind string
		flags                uintptr
	}
	mounts := []mount{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV},
		{source, inside, "", unix.MS_BIND},
		{inside + "/var/lib", "/var/lib", "", unix.MS_BIND},
		{inside + "/var/log", "/var/log", "", unix.MS_BIND},
	}
	for name, value := range sysctls {
		path := filepath.Join(directory, "sysctl", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
			return err
		}
		mounts = append(mounts, mount{inside + "/sysctl/" + name, "/proc/sys/" + name, "", unix.MS_BIND})
	}
	// A container may ask for mounts to be passed on (mountPropagation), which needs a shared root; shared with nobody outside.
	mounts = append(mounts, mount{"", "/", "", unix.MS_REC | unix.MS_SHARED})
	for _, m := range mounts {
		if m.target == inside {
			if err := os.MkdirAll(inside, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return unix.Close(held)
}

// supervisor keeps the components running, except those that have a file in the directory stopped.
type supervisor struct {
	mutex   sync.Mutex
	running map[int]string       // by process
	ended   map[string]time.Time // last end, by component; absent: never started
}

// tend starts or stops one component as it should be.
func (s *supervisor) tend(c component) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	_, err := os.Stat(inside + "/stopped/" + c.name)
	stopped := err == nil
	for pid, name := range s.running {
		if name == c.name {
			if stopped {
				_ = syscall.Kill(pid, syscall.SIGKILL) // reaped soon; gone already is as good
			}
			return
		}
	}
	ended, started := s.ended[c.name]
	if stopped || time.Since(ended) < restartDelay || (!started && c.after != "" && !accepts(c.after)) {
		return
	}
	pid, err := start(c)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s did not start: %v\n", c.name, err)
		s.ended[c.name] = time.Now()
		return
	}
	s.running[pid] = c.name
	s.ended[c.name] = time.Time{}
	_ = os.WriteFile(inside+"/pids/"+c.name, []byte(strconv.Itoa(pid)), 0o644) // only waited for by start and stop
}

// start appends the component's output to its log.
func start(c component) (pid int, err error) {
	program, err := exec.LookPath(c.arguments[0])
	if err != nil {
		return 0, err
	}
	out, err := os.OpenFile(inside+"/log/"+c.name+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	process, err := os.StartProcess(program, c.arguments, &os.ProcAttr{Files: []*os.File{nil, out, out}, Env: os.Environ(), Dir: "/"})
	if err != nil {
		return 0, err
	}
	pid = process.Pid // Release forgets it
	return pid, process.Release()
}

// reap collects every process that ends, orphans too, as the first process has to.
func (s *supervisor) reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if err != nil {
			time.Sleep(100 * time.Millisecond) // no child yet
			continue
		}
		s.mutex.Lock()
		if name, ok := s.running[pid]; ok {
			fmt.Fprintf(os.Stderr, "%s %s ended\n", time.Now().UTC().Format(time.RFC3339), name)
			delete(s.running, pid)
			s.ended[name] = time.Now()
			_ = os.Remove(inside + "/pids/" + name) // only waited for by start and stop
		}
		s.mutex.Unlock()
	}
}

func accepts(address string) bool {
	connection, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
	return err == nil && connection.Close() == nil
}
