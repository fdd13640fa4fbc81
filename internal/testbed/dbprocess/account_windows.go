package dbprocess

import "os/exec"

func runAs(*exec.Cmd, string) {}

func giveTo(string, string) error { return nil }
