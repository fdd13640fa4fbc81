//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/omflow/booster/internal/testbed/interpreter"
)

// child is one of this program's own children:
//
//	trivial <listen>...   servers that answer 1 kB at once
//	omflow <listen>...    servers with the speed of OMFLOW Server
//	load <address> <connections> <duration>
func child(args []string) error {
	switch args[0] {
	case "trivial":
		return serveTrivial(args[1:])
	case "omflow":
		return serveOMFLOW(args[1:])
	case "load":
		return loadChild(args[1], args[2], args[3])
	default:
		return fmt.Errorf("unknown child %q", args[0])
	}
}

// serveTrivial answers every request of a keep-alive connection with 1 kB, spending
// as little as can be.
func serveTrivial(addresses []string) error {
	body := strings.Repeat("x", 1024)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-Frame-Options: SAMEORIGIN\r\nVary: Cookie, Accept-Language\r\nContent-Language: zh-hant\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go trivial(c, answer)
			}
		}()
	}
	select {}
}

func trivial(c net.Conn, answer []byte) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
			if len(line) > 16 && strings.EqualFold(string(line[:15]), "content-length:") {
				length, _ = strconv.Atoi(strings.TrimSpace(string(line[15:])))
			}
		}
		if _, err := r.Discard(length); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// threads is how many requests an OMFLOW Server works on at once; others wait.
const threads = 8

var costs = map[string]interpreter.Cost{
	"create": {Interpret: 23 * time.Millisecond, Wait: 14 * time.Millisecond},
	"home":   {Interpret: 25 * time.Millisecond, Wait: 8 * time.Millisecond},
	"poll":   {Interpret: 8 * time.Millisecond, Wait: 3 * time.Millisecond},
}

// serveOMFLOW answers as slowly as OMFLOW Server does.
func serveOMFLOW(addresses []string) error {
	errs := make(chan error)
	for _, address := range addresses {
		python := interpreter.New(nil)
		places := make(chan struct{}, threads)
		mux := http.NewServeMux()
		serve := func(path, what string) {
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if what != "" {
					places <- struct{}{}
					task := python.Begin()
					task.Interpret(costs[what].Interpret)
					task.Wait(costs[what].Wait)
					<-places
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Length", "38")
				fmt.Fprint(w, `{"status":200,"message":"","result":1}`)
			})
		}
		serve("/rest/", "create")
		serve("/my-mission/", "home")
		serve("/api/workinfo/load/", "poll")
		serve("/health", "")
		serve("/", "")
		go func() { errs <- http.ListenAndServe(address, mux) }()
	}
	return <-errs
}
