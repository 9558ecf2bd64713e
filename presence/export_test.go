package presence

// KnownSockets returns how many sockets the engine of a Runtime knows.
func KnownSockets(rt *Runtime) int { return rt.engine.Sockets.Known() }
