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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/omflow/booster/internal/durable"
)

// plainSync copies each file to all peers at once, or to one, over TLS, when it is told
// to, and does nothing else: it neither looks for changes, nor hashes. The peers answer
// when they have all files of a patch, or, synced, when they have them on the disk for
// sure.
type plainSync struct {
	targets
	one, synced bool
	used        time.Duration // of processors, while it copied
	source      string
	conns       []net.Conn
	listens     net.Listener
	bytes       atomic.Int64
}

func (s *plainSync) waits() time.Duration { return 0 }
func (s *plainSync) next() error          { return s.remove(s.source) }
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
		go s.receive(<-accepted, target)
		if err := <-dialed; err != nil {
			return err
		}
	}
	return nil
}

// receive writes what comes on a connection: a line with folder, number of files and size
// of each, and the contents, again and again. It answers each with a byte.
func (s *plainSync) receive(c net.Conn, target string) {
	defer c.Close()
	for {
		var folder string
		var p patchSize
		if _, err := fmt.Fscanf(oneByOne{c}, "%s %d %d\n", &folder, &p.files, &p.size); err != nil {
			return
		}
		if err := s.take(c, filepath.Join(target, folder), p); err != nil {
			return // send hears no answer
		}
		if _, err := c.Write([]byte{1}); err != nil {
			return
		}
	}
}

// take writes the files of one patch.
func (s *plainSync) take(c net.Conn, dir string, p patchSize) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range p.files {
		f, err := os.Create(filepath.Join(dir, fileName(i)))
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, c, int64(p.size))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if !s.synced {
		return nil
	}
	return syncFiles(dir, p)
}

// syncFiles returns when the files of a patch, and their folder, are on the disk for sure.
func syncFiles(dir string, p patchSize) error {
	var files []*os.File
	for i := range p.files {
		f, err := os.Open(filepath.Join(dir, fileName(i)))
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	if err := durable.SyncAll(files); err != nil {
		return err
	}
	return errors.Join(durable.SyncDir(dir), durable.SyncDir(filepath.Dir(dir)))
}

// oneByOne keeps Fscanf from reading more than its line.
type oneByOne struct{ io.Reader }

// arrived copies, and returns when all peers have answered.
func (s *plainSync) arrived(folder string, p patchSize) (bool, error) {
	before := ownTime()
	errs := make([]error, len(s.conns))
	var wg sync.WaitGroup
	for i, c := range s.conns {
		wg.Go(func() { errs[i] = s.send(c, folder, p) })
	}
	wg.Wait()
	s.used += ownTime() - before
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	s.copied = folder
	return s.targets.arrived(folder, p)
}

func (s *plainSync) send(c net.Conn, folder string, p patchSize) error {
	if _, err := fmt.Fprintf(c, "%s %d %d\n", folder, p.files, p.size); err != nil {
		return err
	}
	for i := range p.files {
		f, err := os.Open(filepath.Join(s.source, folder, fileName(i)))
		if err != nil {
			return err
		}
		_, err = io.Copy(c, f)
		f.Close()
		if err != nil {
			return err
		}
		s.bytes.Add(int64(p.size))
	}
	if err := c.SetReadDeadline(time.Now().Add(patchPatience)); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		return fmt.Errorf("wait until a peer has it: %w", err)
	}
	return nil
}

func (s *plainSync) processorTime() (float64, error) {
	return s.used.Seconds(), nil
}

// ownTime is what this process has used of processors.
func ownTime() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use) // it can't fail
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
