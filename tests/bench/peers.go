//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is a proxy that is measured.
type peer struct {
	name string
	// command returns how to run it as a proxy from an address to servers.
	command func(b *bench, listen string, servers []string) ([]string, error)
}

func (b *bench) file(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func caddyfile(name, handler string) func(*bench, string, []string) ([]string, error) {
	return func(b *bench, listen string, servers []string) ([]string, error) {
		_, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, err
		}
		path, err := b.file(name+".Caddyfile", fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		level ERROR
	}
}
http://:%s {
	bind 127.0.0.1
	%s
}
`, port, strings.ReplaceAll(handler, "SERVERS", strings.Join(servers, " "))))
		return []string{b.binary, "run", "--config", path, "--adapter", "caddyfile"}, err
	}
}

// boosterPeer is the booster with that many requests at once for each server.
func boosterPeer(capacity int) peer {
	return peer{name: "booster", command: func(b *bench, listen string, servers []string) ([]string, error) {
		var lines strings.Builder
		for i, s := range servers {
			fmt.Fprintf(&lines, "\t\tserver %s name=s%d capacity=%d\n", s, i+1, capacity)
		}
		return caddyfile("booster", "omflow_booster {\n"+lines.String()+"\t\thealth {\n\t\t\tlive /health\n\t\t\tready /health\n\t\t}\n\t}")(b, listen, servers)
	}}
}

func caddyPeer() peer {
	return peer{name: "stock Caddy", command: caddyfile("caddy", "reverse_proxy SERVERS {\n\t\tlb_policy cookie\n\t}")}
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// haproxyPeer has maxconn requests at once for each server, where 0 is no limit,
// and may let everything but bulk work go first.
func haproxyPeer(name string, maxconn int, priority bool) peer {
	return peer{name: name, command: func(b *bench, listen string, servers []string) ([]string, error) {
		var lines strings.Builder
		for i, s := range servers {
			fmt.Fprintf(&lines, "    server s%d %s cookie s%d", i+1, s, i+1)
			if maxconn > 0 {
				fmt.Fprintf(&lines, " maxconn %d", maxconn)
			}
			lines.WriteString("\n")
		}
		classes := ""
		if priority {
			classes = "    http-request set-priority-class int(-10) unless { path_beg /rest/ }\n"
		}
		path, err := b.file(strings.ReplaceAll(name, " ", "-")+".cfg", fmt.Sprintf(`global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout queue 60s
frontend f
    bind %s
    default_backend b
backend b
    balance leastconn
    cookie SRV insert indirect nocache
%s%s`, listen, classes, lines.String()))
		return []string{"haproxy", "-db", "-f", path}, err
	}}
}

func nginxPeer() peer {
	return peer{name: "nginx", command: func(b *bench, listen string, servers []string) ([]string, error) {
		var lines strings.Builder
		for _, s := range servers {
			fmt.Fprintf(&lines, "        server %s;\n", s)
		}
		path, err := b.file("nginx.conf", fmt.Sprintf(`daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx-error.log;
worker_processes 1;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path %[1]s/nginx-body;
    proxy_temp_path %[1]s/nginx-proxy;
    fastcgi_temp_path %[1]s/nginx-fastcgi;
    uwsgi_temp_path %[1]s/nginx-uwsgi;
    scgi_temp_path %[1]s/nginx-scgi;
    upstream servers {
        least_conn;
%[2]s        keepalive 64;
    }
    server {
        listen %[3]s;
        keepalive_requests 1000000;
        location / {
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
}
`, b.dir, lines.String(), listen))
		return []string{"nginx", "-c", path, "-p", b.dir}, err
	}}
}
