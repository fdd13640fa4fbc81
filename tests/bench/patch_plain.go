//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// plainSync copies each file to all peers at once, or to one, over TLS, when it is told
// to, and does nothing else: it neither looks for changes, nor hashes, nor syncs.
type plainSync struct {
	targets
	one     bool
	used    time.Duration // of processors, while it copied
	source  string
	conns   []net.Conn
	listens net.Listener
	bytes   atomic.Int64
	failed  atomic.Pointer[error]
}

func (s *plainSync) waits() time.Duration { return 0 }
func (s *plainSync) next() error          { return nil }
func (s *plainSync) sent() int64          { return s.bytes.Load() }

func (s *plainSync) start(_ *bench, dir, source string, peers int) error {
	s.source = source
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		return err
	}
	s.listens = l
	if s.one {
		peers = 1
	}
	for i := range peers {
		target := filepath.Join(dir, fmt.Sprint("peer", i))
		s.folders = append(s.folders, target)
		accepted := make(chan net.Conn, 1)
		go func() {
			if c, err := l.Accept(); err == nil {
				accepted <- c
			}
		}()
		dialed := make(chan error, 1)
		go func() {
			// What is copied is of no value, and nobody else knows of the port.
			c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
			if err == nil {
				s.conns = append(s.conns, c)
			}
			dialed <- err
		}()
		go receive(<-accepted, target)
		if err := <-dialed; err != nil {
			return err
		}
	}
	return nil
}

// receive writes what comes on a connection: a line with name and size, and the
// content, again and again.
func receive(c net.Conn, target string) {
	defer c.Close()
	for {
		var folder, name string
		var size int64
		if _, err := fmt.Fscanf(oneByOne{c}, "%s %s %d\n", &folder, &name, &size); err != nil {
			return
		}
		if err := os.MkdirAll(filepath.Join(target, folder), 0o755); err != nil {
			return
		}
		f, err := os.Create(filepath.Join(target, folder, name))
		if err != nil {
			return
		}
		_, err = io.CopyN(f, c, size)
		if err = errors.Join(err, f.Close()); err != nil {
			return
		}
	}
}

// oneByOne keeps Fscanf from reading more than its line.
type oneByOne struct{ io.Reader }

// arrived copies when it is first asked.
func (s *plainSync) arrived(folder string, p patchSize) bool {
	before := ownTime()
	var wg sync.WaitGroup
	for i, c := range s.conns {
		if whole(filepath.Join(s.folders[i], folder), p) {
			continue
		}
		wg.Go(func() {
			if err := s.send(c, folder, p); err != nil {
				s.failed.Store(&err)
			}
		})
	}
	wg.Wait()
	for begun := time.Now(); !s.targets.arrived(folder, p) && time.Since(begun) < patchPatience; {
		time.Sleep(time.Millisecond)
	}
	s.used += ownTime() - before
	return s.targets.arrived(folder, p)
}

func (s *plainSync) send(c net.Conn, folder string, p patchSize) error {
	for i := range p.files {
		name := "f" + strconv.Itoa(i)
		f, err := os.Open(filepath.Join(s.source, folder, name))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c, "%s %s %d\n", folder, name, p.size)
		if err == nil {
			_, err = io.Copy(c, f)
		}
		f.Close()
		if err != nil {
			return err
		}
		s.bytes.Add(int64(p.size))
	}
	return nil
}

func (s *plainSync) processorTime() (float64, error) {
	if err := s.failed.Load(); err != nil {
		return 0, *err
	}
	return s.used.Seconds(), nil
}

// ownTime is what this process has used of processors.
func ownTime() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use) // it can't fail
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
