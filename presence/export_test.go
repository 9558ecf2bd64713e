package presence

// KnownSockets returns how many sockets the engine of a Runtime knows.
func KnownSockets(rt *Runtime) int {
	rt.engine.mu.Lock()
	defer rt.engine.mu.Unlock()
	return len(rt.engine.sockets)
}
