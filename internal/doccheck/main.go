// Command doccheck fails when an exported name of a package that others can
// import has no doc comment, and counts those names. What such a package takes from an
// internal one by an alias of a type is public too.
package main

import (
	"fmt"
	"os"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	packages, err := checkModule(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "doccheck:", err)
		os.Exit(1)
	}
	names, members, missing := 0, 0, 0
	for _, p := range packages {
		fmt.Printf("doccheck: %-24s %3d names, %3d methods and fields\n", p.dir, p.names, p.members)
		names, members, missing = names+p.names, members+p.members, missing+len(p.missing)
		for _, m := range p.missing {
			fmt.Fprintf(os.Stderr, "doccheck: %s has no doc comment\n", m)
		}
	}
	fmt.Printf("doccheck: the public API has %d names, with %d methods and fields\n", names, members)
	if missing > 0 {
		os.Exit(1)
	}
}
