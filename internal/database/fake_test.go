package database

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a listener that is no database, or only the first words of one.
type fake struct {
	listener net.Listener
	handle   func(net.Conn)
	wg       sync.WaitGroup
}

func newFake(t *testing.T, handle func(net.Conn)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{listener: l, handle: handle}
	f.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() {
				defer conn.Close()
				// A connection that the client forgot would keep the test from ending.
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				f.handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.wg.Wait()
	})
	return f
}

func (f *fake) target(engine Engine) Target {
	return Target{Engine: engine, Host: "127.0.0.1", Port: f.listener.Addr().(*net.TCPAddr).Port, Name: "d", User: "u", Password: "s3cret-pass"}
}

var engines = []Engine{Postgres, MySQL, SQLServer, Oracle}

// untilClosed waits for the client to give up, and fails if it doesn't: a
// connection that is left open is a leak in the database too.
func untilClosed(t *testing.T, conn net.Conn) {
	if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the connection was left open")
	}
}

func TestNoDatabase(t *testing.T) {
	answer := func(first string) func(*testing.T, net.Conn) {
		return func(t *testing.T, conn net.Conn) {
			conn.Read(make([]byte, 1)) // some servers speak first, most after the client
			io.WriteString(conn, first)
			untilClosed(t, conn)
		}
	}
	greet := func(first string) func(*testing.T, net.Conn) {
		return func(t *testing.T, conn net.Conn) {
			io.WriteString(conn, first)
			untilClosed(t, conn)
		}
	}
	for _, test := range []struct {
		name   string
		handle func(*testing.T, net.Conn)
		kinds  []Kind // allowed
	}{
		{"silent", untilClosed, []Kind{Unreachable}},
		{"closes", func(_ *testing.T, conn net.Conn) {}, []Kind{Unreachable}},
		{"closes after the first word", func(_ *testing.T, conn net.Conn) { conn.Read(make([]byte, 1000)) }, []Kind{Unreachable}},
		{"ssh", greet("SSH-2.0-OpenSSH_9.2\r\n"), []Kind{Other, Unreachable}},
		{"http", answer("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>Bad Request</html>\r\n"), []Kind{Other, Unreachable}},
		{"zeros", greet(strings.Repeat("\x00", 4096)), []Kind{Other, Unreachable}},
		{"ones", greet(strings.Repeat("\xff", 4096)), []Kind{Other, Unreachable}},
		{"resend", greet(strings.Repeat("\x00\x08\x00\x00\x0b\x00\x00\x00", 512)), []Kind{Other, Unreachable}},
	} {
		for _, engine := range engines {
			t.Run(test.name+"/"+string(engine), func(t *testing.T) {
				f := newFake(t, func(conn net.Conn) { test.handle(t, conn) })
				db := mustOpen(t, f.target(engine))
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				start := time.Now()
				r := db.Check(ctx)
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("took %s", took)
				}
				failed := r.Failed()
				if failed == nil || failed.Name != StepSignIn {
					t.Fatalf("failed: %+v, want %s", failed, StepSignIn)
				}
				ok := false
				for _, kind := range test.kinds {
					ok = ok || failed.Kind == kind
				}
				if !ok || failed.Missing == "" {
					t.Errorf("%s: %v (%q), want %v", failed.Kind, failed.Err, failed.Missing, test.kinds)
				}
				if engine == Oracle && (test.name == "http" || test.name == "zeros") && !errors.Is(failed.Err, errGarbage) {
					t.Errorf("the first packet was not looked at: %v", failed.Err)
				}
				if strings.Contains(failed.Err.Error(), "s3cret-pass") {
					t.Errorf("the password shows in %q", failed.Err)
				}
				if err := db.Ping(ctx); err == nil {
					t.Error("ping went well")
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	for _, engine := range engines {
		target := Target{Engine: engine, Host: "127.0.0.1", Port: freePort(), Name: "d", User: "u", Password: "p"}
		failed := mustOpen(t, target).Check(t.Context()).Failed()
		if failed == nil || failed.Name != StepReach || failed.Kind != Unreachable || !strings.Contains(failed.Missing, target.Address()) {
			t.Errorf("%s: %+v, want unreachable at %s", engine, failed, StepReach)
		}
		target.Host = "no-such-host.invalid" // RFC 6761
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		failed = mustOpen(t, target).Check(ctx).Failed()
		cancel()
		if failed == nil || failed.Name != StepReach || failed.Kind != Unreachable {
			t.Errorf("%s, unknown name: %+v, want unreachable at %s", engine, failed, StepReach)
		}
	}
}

// TestConnectTimeout has no context end: the package's own bound must do.
func TestConnectTimeout(t *testing.T) {
	for _, engine := range engines {
		f := newFake(t, func(conn net.Conn) { untilClosed(t, conn) })
		db, err := open(f.target(engine), 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := db.Ping(context.Background()); Classify(err) != Unreachable || !strings.Contains(err.Error(), "no sign-in within 200ms") {
			t.Errorf("%s: %v", engine, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %s", engine, took)
		}
		db.Close()
	}
}

func TestRefusedByListener(t *testing.T) {
	for _, test := range []struct {
		name   string
		engine Engine
		handle func(net.Conn)
		kind   Kind
		text   string
		grant  string
	}{
		{"oracle, unknown service", Oracle, tnsRefuse("12514"), NoDatabase, "12514", ""},
		{"oracle, unknown SID", Oracle, tnsRefuse("12505"), NoDatabase, "12505", ""},
		{"oracle, no handler", Oracle, tnsRefuse("12516"), Unreachable, "12516", ""},
		{"oracle, refused without a code", Oracle, tnsRefuse(""), Unreachable, "12564", ""},
		{"sql server, login failed", SQLServer, tdsLoginError(18456), SignInRefused, "18456", "CREATE LOGIN [u] WITH PASSWORD"},
		{"sql server, no database", SQLServer, tdsLoginError(4060, 18456), NoDatabase, "4060", "CREATE DATABASE [d]"},
		{"sql server, starting", SQLServer, tdsLoginError(18401), Unreachable, "18401", ""},
		{"mysql, full", MySQL, mysqlError(1040), Unreachable, "1040", ""},
		{"mysql, host not allowed", MySQL, mysqlError(1130), SignInRefused, "1130", "CREATE USER 'u'@'%'"},
		{"postgres, starting", Postgres, postgresError("57P03"), Unreachable, "57P03", ""},
		{"postgres, no line in pg_hba.conf", Postgres, postgresError("28000"), SignInRefused, "28000", "pg_hba.conf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := mustOpen(t, newFake(t, test.handle).target(test.engine))
			failed := db.Check(t.Context()).Failed()
			if failed == nil || failed.Name != StepSignIn || failed.Kind != test.kind || !strings.Contains(failed.Err.Error(), test.text) {
				t.Fatalf("failed: %+v, want %s with %s", failed, test.kind, test.text)
			}
			if !strings.Contains(failed.Grant, test.grant) || (test.grant == "") != (failed.Grant == "") {
				t.Errorf("suggests %q, want %q", failed.Grant, test.grant)
			}
		})
	}
}

// tnsRefuse answers a connect packet as an Oracle listener does that turns a
// connection away.
func tnsRefuse(code string) func(net.Conn) {
	data := "(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=" + code + ")(ERROR_STACK=(ERROR=(CODE=" + code + ")(EMFI=4))))"
	if code == "" {
		data = ""
	}
	return func(conn net.Conn) {
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			return
		}
		packet := []byte{0, 0, 0, 0, 4, 0, 0, 0, 0x22, 0}
		packet = binary.BigEndian.AppendUint16(packet, uint16(len(data)))
		packet = append(packet, data...)
		binary.BigEndian.PutUint16(packet, uint16(len(packet)))
		conn.Write(packet)
		io.Copy(io.Discard, conn)
	}
}

// tdsLoginError speaks TDS 7.4 ([MS-TDS]) up to the answer to a login.
func tdsLoginError(numbers ...int32) func(net.Conn) {
	packet := func(body []byte) []byte {
		head := []byte{4, 1, 0, 0, 0, 0, 1, 0} // tabular result, end of message
		binary.BigEndian.PutUint16(head[2:], uint16(len(head)+len(body)))
		return append(head, body...)
	}
	var tokens []byte
	for _, number := range numbers {
		token := binary.LittleEndian.AppendUint32(nil, uint32(number))
		token = append(token, 1, 14)                // state, class
		token = append(token, 2, 0, 'n', 0, 'o', 0) // message, UTF-16
		token = append(token, 0, 0, 0, 0, 0, 0)     // server, procedure, line
		tokens = binary.LittleEndian.AppendUint16(append(tokens, 0xAA), uint16(len(token)))
		tokens = append(tokens, token...)
	}
	tokens = append(tokens, 0xFD, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // done, with an error
	return func(conn net.Conn) {
		request := make([]byte, 4096)
		if _, err := conn.Read(request); err != nil {
			return
		}
		// Prelogin: version at 11, 6 bytes; encryption at 17, 1 byte: not supported.
		conn.Write(packet([]byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 16, 0, 0, 0, 0, 0, 2}))
		if _, err := conn.Read(request); err != nil {
			return
		}
		conn.Write(packet(tokens))
		io.Copy(io.Discard, conn)
	}
}

// mysqlError greets as a MySQL server does that takes no connection.
func mysqlError(number uint16) func(net.Conn) {
	return func(conn net.Conn) {
		body := binary.LittleEndian.AppendUint16([]byte{0xFF}, number)
		body = append(body, "no"...)
		conn.Write(append([]byte{byte(len(body)), 0, 0, 0}, body...))
		io.Copy(io.Discard, conn)
	}
}

// postgresError refuses TLS, and then the sign-in.
func postgresError(code string) func(net.Conn) {
	return func(conn net.Conn) {
		request := make([]byte, 4096)
		n, err := conn.Read(request)
		if err == nil && n == 8 { // SSLRequest
			conn.Write([]byte{'N'})
			_, err = conn.Read(request)
		}
		if err != nil {
			return
		}
		body := "SFATAL\x00VFATAL\x00C" + code + "\x00Mno\x00\x00"
		conn.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)), body...))
		io.Copy(io.Discard, conn)
	}
}
