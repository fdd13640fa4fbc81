//go:build !windows

package service

func connect() (scm, error) { return nil, ErrUnsupported }
