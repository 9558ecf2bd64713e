package guard

import "os"

// Guard only removes the folder: the servers that need more do not run on this system.
type Guard struct{ dir string }

// New makes a guard of a folder; "": of none. End it.
func New(dir string) (*Guard, error) { return &Guard{dir}, nil }

// Watch does nothing.
func (*Guard) Watch(int) {}

// End removes the folder.
func (g *Guard) End() {
	if g.dir != "" {
		_ = os.RemoveAll(g.dir)
	}
}
