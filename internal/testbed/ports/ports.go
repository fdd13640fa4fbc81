// Package ports finds ports for servers of tests that have to be told where to listen.
//
// A port that the system chooses lies in the range that it also gives to outgoing
// connections: by the time that a server has been made ready to listen, one of these may
// have it. [Free] chooses below that range (32768 to 60999 on Linux), at random, since
// tests of several packages run at a time, and gives none twice in one process. Another
// process can still take the port before it is listened on; in a range of 17,000 that is
// rare enough.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

const first, last = 15000, 32000

var (
	mu    sync.Mutex
	given = make(map[int]bool)
)

// Free returns a port of 127.0.0.1 that nobody listens on, for TCP and for UDP. It fails
// when there is none. Any number of goroutines may call it.
func Free() (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := first + rand.IntN(last-first)
		if given[port] || !free(fmt.Sprintf("127.0.0.1:%d", port)) {
			continue
		}
		given[port] = true
		return port, nil
	}
	return 0, errors.New("there is no free port on 127.0.0.1")
}

func free(address string) bool {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	udp.Close()
	return true
}
