// Command realtime serves presence to Socket.IO clients: serve keeps members in
// Redis, dev in memory with a page to try it on.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
