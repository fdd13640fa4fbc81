//go:build !linux

package main

import "errors"

func run([]string) error {
	return errors.New("this benchmark reads Linux's accounting of processes: run it on Linux")
}
