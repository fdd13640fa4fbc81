//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/omflow/booster/internal/testbed/ports"
)

// curlSync copies as people do by hand: nginx serves the source over TLS, and one curl
// for each peer fetches the files over one connection, all peers at once, when it is told
// to. Synced, each peer's files are on the disk for sure after that.
type curlSync struct {
	targets
	synced  bool
	source  string
	address string
	used    time.Duration // of processors, by curl
	bytes   int64
}

func (s *curlSync) waits() time.Duration { return 0 }
func (s *curlSync) next() error          { return s.remove(s.source) }
func (s *curlSync) sent() int64          { return s.bytes }

const nginxFiles = `
%[4]s
daemon off;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	sendfile on;
	keepalive_requests 1000000;
	server {
		listen %[2]s ssl;
		ssl_certificate %[1]s/cert.pem;
		ssl_certificate_key %[1]s/key.pem;
		root %[3]s;
	}
}
`

func (s *curlSync) start(b *bench, dir, source string, peers int) error {
	s.source = source
	port, err := ports.Free()
	if err != nil {
		return err
	}
	s.address = fmt.Sprintf("127.0.0.1:%d", port)
	if err := writeCertificate(dir); err != nil {
		return err
	}
	user := "" // the workers must be able to read the source
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxFiles, dir, s.address, source, user), 0o600); err != nil {
		return err
	}
	p, err := b.start("nginx-files", -1, "nginx", "-c", config, "-p", dir)
	if err != nil {
		return err
	}
	s.processes = []*process{p}
	for i := range peers {
		s.folders = append(s.folders, filepath.Join(dir, fmt.Sprint("peer", i)))
	}
	out, err := exec.Command("curl", "--silent", "--show-error", "--fail", "--insecure", "--output", os.DevNull,
		"--retry", "15", "--retry-delay", "1", "--retry-connrefused", "https://"+s.address+"/app00/0000.py").CombinedOutput()
	if err != nil {
		return fmt.Errorf("nginx does not answer (%s): %w: %s", p.log, err, out)
	}
	return nil
}

// writeCertificate makes cert.pem and key.pem.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// arrived copies, and returns when all curls have ended.
func (s *curlSync) arrived(folder string, p patchSize) (bool, error) {
	errs := make([]error, len(s.folders))
	used := make([]time.Duration, len(s.folders))
	var wg sync.WaitGroup
	for i, target := range s.folders {
		wg.Go(func() { used[i], errs[i] = s.fetch(filepath.Join(target, folder), folder, p) })
	}
	wg.Wait()
	for _, d := range used {
		s.used += d
	}
	s.bytes += int64(len(s.folders) * p.files * p.size)
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	s.copied = folder
	return s.targets.arrived(folder, p)
}

// fetch copies one folder to one peer, and says what curl has used of processors.
func (s *curlSync) fetch(dir, folder string, p patchSize) (time.Duration, error) {
	// What is copied is of no value, and nobody else knows of the port.
	cmd := exec.Command("curl", "--silent", "--show-error", "--fail", "--insecure", "--http1.1", "--create-dirs",
		"--output", filepath.Join(dir, "f#1"), fmt.Sprintf("https://%s/%s/f[0-%d]", s.address, folder, p.files-1))
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("curl: %w: %s", err, out)
	}
	use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, errors.New("the system does not tell what curl has used")
	}
	used := time.Duration(use.Utime.Nano() + use.Stime.Nano())
	if !s.synced {
		return used, nil
	}
	return used, syncFiles(dir, p)
}

func (s *curlSync) processorTime() (float64, error) {
	served, err := s.targets.processorTime()
	return served + s.used.Seconds(), err
}
