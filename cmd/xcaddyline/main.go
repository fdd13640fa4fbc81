// Command xcaddyline prints the xcaddy command that builds what xcaddy.json says:
//
//	go run ./cmd/xcaddyline               # from the published module
//	go run ./cmd/xcaddyline -checkout .   # from a checkout
//
// xcaddy.json is xcaddy's own Builder as JSON, so that programs which use xcaddy as
// a library read it as it is; xcaddy's command can't. Fields of a Builder that the
// command has no argument for are refused rather than left out.
//
// It ends with 0, with 1 when the file can't be used, and with 2 for wrong usage.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	file := flag.String("file", "xcaddy.json", "the Builder as JSON")
	checkout := flag.String("checkout", "", "a folder with this module, to build from instead of the published one")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "Error: unexpected argument %q\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	line, err := read(*file, *checkout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
	fmt.Println(line)
}

func read(file, checkout string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	b, err := parse(text)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return b.line(checkout)
}
