//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// client is one keep-alive connection of a client that keeps its cookie.
type client struct {
	address string
	conn    net.Conn
	r       *bufio.Reader
	cookie  string
}

// do sends a request and reads the answer, which must have status 200.
func (c *client) do(method, path string, body []byte) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, 5*time.Second)
		if err != nil {
			return err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	err := c.exchange(method, path, body)
	if err != nil {
		c.conn.Close()
		c.conn = nil
	}
	return err
}

func (c *client) exchange(method, path string, body []byte) error {
	_ = c.conn.SetDeadline(time.Now().Add(60 * time.Second))
	out := make([]byte, 0, 512+len(body))
	out = append(out, method...)
	out = append(out, ' ')
	out = append(out, path...)
	out = append(out, " HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/json\r\nAccept-Language: zh-TW,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n"...)
	if c.cookie != "" {
		out = append(out, "Cookie: "...)
		out = append(out, c.cookie...)
		out = append(out, "\r\n"...)
	}
	if body != nil {
		out = append(out, "Content-Type: application/json\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(body)), 10)
		out = append(out, "\r\n"...)
	}
	out = append(out, "\r\n"...)
	if _, err := c.conn.Write(append(out, body...)); err != nil {
		return err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 || string(line[9:12]) != "200" {
		return fmt.Errorf("answer %q", line)
	}
	length, chunked := -1, false
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		switch strings.ToLower(name) {
		case "content-length":
			length, err = strconv.Atoi(strings.TrimSpace(value))
		case "transfer-encoding":
			chunked = true
		case "set-cookie":
			c.cookie, _, _ = strings.Cut(strings.TrimSpace(value), ";")
		}
		if err != nil {
			return err
		}
	}
	if chunked || length < 0 {
		return errors.New("answer without Content-Length")
	}
	if length == 0 {
		return errors.New("an empty answer: the request did not reach a server")
	}
	_, err = io.CopyN(io.Discard, c.r, int64(length))
	return err
}
